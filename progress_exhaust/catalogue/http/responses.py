"""What the content service's answers mean: strict JSON, the tree of a hierarchy answer, one page of a search."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from progress_exhaust.catalogue import refusals
from progress_exhaust.catalogue.mime_types import COLLECTION_MIME_TYPE
from progress_exhaust.text import shown

OK = "OK"
NOT_FOUND = "RESOURCE_NOT_FOUND"
_CONTENTS = "content"
"""The list of contents and collections."""


class UnreadableAnswer(Exception):
    """A body that is not what was asked for; its text says what was got, without quoting the body."""


class TooDeep(UnreadableAnswer):
    """A body that is nested deeper than can be parsed."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One node that a search found.

    Attributes:
        identifier: its id, without the suffix by which the index tells a twin.
        status: empty where it does not tell any, which only what is no collection may do.
        is_collection: whether it is one; what tells no mimeType counts as one, since to find too much loses nothing.
        visibility: None where it does not tell any.
    """

    identifier: str
    status: str
    is_collection: bool
    visibility: str | None


class _Hit(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    identifier: str
    status: str | None = None
    mime_type: str | None = Field(None, alias="mimeType")
    visibility: str | None = None

    def in_list(self, name: str) -> Hit:
        """Return the hit that stands in the list of this name.

        Raises:
            UnreadableAnswer: it is a collection without a status, so that nobody can tell whether it is live.
        """
        is_collection = self.mime_type in (None, COLLECTION_MIME_TYPE)
        if is_collection and self.status is None:
            raise UnreadableAnswer(f"a search answer with a collection without status in {shown(name)}")
        return Hit(self.identifier, self.status or "", is_collection, self.visibility)


class _Result(BaseModel):
    """Hits stand in lists by object type, whose names are not all known; one without a hit is left out."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Any]

    count: NonNegativeInt

    def hits(self) -> tuple[Hit, ...]:
        """Return the hits of all lists, in the order of the answer.

        Raises:
            ValidationError: a list holds hits and something else.
            UnreadableAnswer: a hit does not tell enough of itself.
        """
        lists = {name: value for name, value in self.__pydantic_extra__.items() if _is_list_of_hits(name, value)}
        return tuple(_Hit.model_validate(hit).in_list(name) for name, hits in lists.items() for hit in hits)


def _is_list_of_hits(name: str, value: Any) -> bool:
    """Tell a list of hits from facets and the like, whose elements have no identifier."""
    if not isinstance(value, list):
        return False
    return name == _CONTENTS or any(isinstance(one, dict) and "identifier" in one for one in value)


class _SearchAnswer(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    response_code: Literal["OK"] = Field(alias="responseCode")
    result: _Result


def parsed(body: bytes | bytearray) -> object:
    """Parse a body as strict JSON in UTF-8.

    Raises:
        UnreadableAnswer: it is something else.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise UnreadableAnswer(f"{len(body):,} bytes that are not UTF-8") from None
    try:
        return parsed_text(text)
    except TooDeep:
        raise
    except UnreadableAnswer as error:
        raise UnreadableAnswer(f"{len(body):,} bytes, {error}") from None


def parsed_text(text: str) -> object:
    """Parse a whole text as strict JSON: without NaN, infinities, or anything before or after it.

    Raises:
        UnreadableAnswer: it is something else.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise TooDeep("JSON nested too deep to parse") from None
    except ValueError as error:
        # The position helps to tell a cut text from a wrong one; the text itself may hold anything.
        place = f" at character {error.pos:,}" if isinstance(error, json.JSONDecodeError) else ""
        raise UnreadableAnswer(f"not JSON{place}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def response_code(answer: object) -> str | None:
    """Return the response code of an answer that states one."""
    code = answer.get("responseCode") if isinstance(answer, dict) else None
    return code if isinstance(code, str) else None


def tree_in(answer: object, collection_id: str) -> object:
    """Return the root node in a hierarchy answer; its shape is for the walk to judge.

    Raises:
        SkippedReport: the answer is that there is no such collection, or it holds no tree.
    """
    code = response_code(answer)
    if code == NOT_FOUND:
        raise refusals.unknown(collection_id)
    if code not in (None, OK):
        raise refusals.bad_tree(collection_id, f"response code {shown(code or '')}", f'"{OK}"')
    result = answer.get("result") if isinstance(answer, dict) else None
    tree = result.get("content") if isinstance(result, dict) else None
    if tree is None:
        raise refusals.bad_tree(collection_id, "no tree in the answer", "one at result.content")
    return tree


def page_in(answer: object) -> tuple[int, tuple[Hit, ...]]:
    """Return the whole count of a search, and the hits of this page.

    Raises:
        UnreadableAnswer: the answer is not that of a search that went well.
    """
    try:
        result = _SearchAnswer.model_validate(answer).result
        return result.count, result.hits()
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in fault["loc"]) or "the answer"
        raise UnreadableAnswer(f"a search answer with a fault at {place} ({fault['msg']})") from None
