"""Nothing leaks from the test part into training."""

from itertools import combinations

from capstone.data.splitting import duplicate_groups
from capstone.pipeline import CapstonePipeline


def test_the_parts_share_no_row(split_pipeline: CapstonePipeline) -> None:
    for one, other in combinations(split_pipeline.parts.values(), 2):
        assert not set(one) & set(other)


def test_no_row_of_one_part_is_a_copy_of_a_row_in_another(split_pipeline: CapstonePipeline) -> None:
    table = split_pipeline.table
    groups = dict(
        zip(table.index, duplicate_groups(table, split_pipeline.settings.data.id), strict=True)
    )
    for one, other in combinations(split_pipeline.parts.values(), 2):
        assert not {groups[row] for row in one} & {groups[row] for row in other}


def test_no_member_stops_on_a_copy_of_a_row_it_learnt_from(
    split_pipeline: CapstonePipeline,
) -> None:
    table, rows = split_pipeline.table, split_pipeline.parts["train"]
    folds = split_pipeline.folds
    if folds is None:
        return  # [network] members = 1: a validation part instead
    copies = duplicate_groups(table, split_pipeline.settings.data.id)[table.index.get_indexer(rows)]
    fold_of = dict(zip(copies, folds, strict=True))
    assert all(fold_of[copy] == fold for copy, fold in zip(copies, folds, strict=True))
    assert set(folds) == set(range(folds.max() + 1))


def test_every_part_has_rows(split_pipeline: CapstonePipeline) -> None:
    assert all(len(rows) > 0 for rows in split_pipeline.parts.values())


def test_what_must_stay_hidden_is_no_feature(split_pipeline: CapstonePipeline) -> None:
    data = split_pipeline.settings.data
    hidden = {data.target, data.id, *data.leave_out}
    if not data.use_sensitive:
        hidden |= set(data.sensitive)
    assert not hidden & set(split_pipeline.features)


def test_the_same_seed_splits_the_same_way(split_pipeline: CapstonePipeline) -> None:
    from capstone.data.splitting import split_rows

    again = split_rows(split_pipeline.table, split_pipeline.target, split_pipeline.settings)
    assert all(again[part].equals(rows) for part, rows in split_pipeline.parts.items())
