"""What the content service's answers mean: strict JSON, the tree of a hierarchy answer, one page of a search."""

from __future__ import annotations

import json
from typing import Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from progress_exhaust.catalogue import refusals
from progress_exhaust.catalogue.text import shown

OK = "OK"
NOT_FOUND = "RESOURCE_NOT_FOUND"


class UnreadableAnswer(Exception):
    """A body that is not what was asked for; its text says what was got, without quoting the body."""


class TooDeep(UnreadableAnswer):
    """A body that is nested deeper than can be parsed."""


class Hit(BaseModel):
    """One node that a search found; what it does not tell of itself is None."""

    model_config = ConfigDict(strict=True, frozen=True)

    identifier: str
    status: str
    mime_type: str | None = Field(None, alias="mimeType")
    visibility: str | None = None


class _Result(BaseModel):
    """Hits stand in lists by object type, whose names are not all known; one without a hit is left out."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Any]

    count: NonNegativeInt
    facets: Any = None

    def hits(self) -> tuple[Hit, ...]:
        """Return the hits of all lists, in the order of the answer.

        Raises:
            ValidationError: a list holds something else.
        """
        lists = (value for value in self.__pydantic_extra__.values() if isinstance(value, list))
        return tuple(Hit.model_validate(one) for hits in lists for one in hits)


class _SearchAnswer(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    response_code: Literal["OK"] = Field(alias="responseCode")
    result: _Result


def parsed(body: bytes) -> object:
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
        NotMade: the answer is that there is no such collection, or it holds no tree.
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
