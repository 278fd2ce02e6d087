"""sbom.cdx.json: the software bill of materials in CycloneDX, for tools that look for known vulnerabilities."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.bom_ref import BomRef
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from capstone.export.bundle.libraries import Library
from capstone.runs.folder import GRAPH


def bill_of_materials(
    service: str, run: str, finished: datetime, model_sha256: str, libraries: Sequence[Library]
) -> str:
    """The text of the file. The same run and libraries give the same text, date and serial number included."""
    root = Component(type=ComponentType.APPLICATION, name=service, version=run, bom_ref=service)
    model = Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=GRAPH,
        version=run,
        bom_ref=GRAPH,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=model_sha256)],
    )
    components = {library.name: _component(library) for library in libraries if library.version}
    identity = " ".join([service, run, model_sha256, *(one.line for one in libraries)])
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, identity),
        metadata=BomMetaData(component=root, timestamp=finished),
        components=[model, *components.values()],
    )
    direct = [one.name for one in libraries if one.direct and one.name in components]
    first = [model.bom_ref, *(components[name].bom_ref for name in direct)]
    bom.dependencies.add(_dependency(root.bom_ref, first))
    bom.dependencies.add(_dependency(model.bom_ref, []))
    for library in libraries:
        if library.name in components:
            needed = [components[name].bom_ref for name in library.needs if name in components]
            bom.dependencies.add(_dependency(components[library.name].bom_ref, needed))
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _component(library: Library) -> Component:
    purl = PackageURL("pypi", name=library.name, version=library.version)
    factory = LicenseFactory()
    licenses = [factory.make_from_string(name) for name in library.licenses]
    name, version = library.name, library.version
    return Component(name=name, version=version, bom_ref=str(purl), purl=purl, licenses=licenses)


def _dependency(one: BomRef, others: Sequence[BomRef]) -> Dependency:
    return Dependency(one, dependencies=[Dependency(other) for other in others])
