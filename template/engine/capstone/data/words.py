"""Words of tables, in many languages: yes and no, what is unknown, what columns are for. In small letters."""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(re.split(r"\s*\|\s*", " ".join(text.split())))


YES = _words(
    "yes | true | ja | wahr | oui | vrai | si | sí | sì | sim | tak | ano | áno | да | igen | evet | kyllä | はい | 是"
)
NO = _words(
    "no | false | nein | falsch | non | faux | não | nao | nie | ne | нет | nem | hayır | nej | nee | ei | いいえ | 否"
)
# These count only beside a whole word.
SHORT_YES, SHORT_NO = _words("y | j | t | o | s | e | 1 | x"), _words("n | f | h | 0")

# What people write where nothing is known.
PLACEHOLDERS = _words(
    """
    k.a. | k. a. | keine angabe | keine angaben | ohne angabe | o.a. | unbekannt | leer | (leer)
    | n/a | n.a. | n. a. | not available | not applicable | not known | no data | unknown | undefined | missing | tbd
    | (blank) | nan | <na> | #n/a | #value! | #div/0! | #ref! | #name?
    | - | -- | --- | – | — | ? | ?? | ??? | . | .. | ... | *
    | s/d | n/d | nd | n.d. | sin dato | sin datos | desconocido | não informado | sconosciuto | non disponibile
    | non renseigné | inconnu | pas de réponse | brak | brak danych | onbekend | n.b. | okänt | ukendt | ei tietoa
    | bilinmiyor | н/д | нет данных | неизвестно | 不明 | 未知
    """
)

# Names of columns: those that hold the answer, those that may hold it, what names a row, groups of people.
TARGETS = _words(
    """
    target | label | class | outcome | result | y | response | churn | churned | default | survived | diagnosis
    | cancelled | canceled | exited | attrition | ziel | zielgröße | zielvariable | ergebnis | kündigung | gekündigt
    | kuendigung | gekuendigt | abbruch | objetivo | resultado | abandono | cible | résultat | esito | wynik | doel
    """
)
AMOUNTS = _words(
    """
    price | salary | cost | rent | grade | score | quality | income | sales | revenue | demand | preis | miete | note
    | gehalt | umsatz | precio | prix | prezzo | loyer | cena | prijs | salaire | sueldo | preço
    """
)
IDS = _words(
    "id | nr | no | number | key | code | index | uuid | guid | nummer | numéro | numero | num | kennung | identifier"
)
SENSITIVE = _words(
    """
    gender | sex | age | age group | race | ethnicity | ethnic | religion | nationality | citizenship | disability
    | marital status | pregnant | pregnancy | orientation | origin | migration | first generation | native language
    | geschlecht | alter | altersgruppe | herkunft | staatsangehörigkeit | nationalität | konfession | familienstand
    | behinderung | muttersprache | sexe | âge | nationalité | genre | handicap | sexo | género | edad | nacionalidad
    | sesso | età | nazionalità | płeć | wiek | narodowość | geslacht | leeftijd | nationaliteit | kön | ålder | kjønn
    | yaş | cinsiyet | ηλικία | φύλο | vârstă | pohlaví | věk | életkor | idade | nacionalidade
    | gênero | пол | возраст | 性別 | 年齢
    """
)


def words_in(name: str) -> str:
    """A column's name as words: "firstName" and "first_name" are "first name"."""
    apart = re.sub(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])", " ", name)
    return re.sub(r"[\W_]+", " ", apart).strip().casefold()
