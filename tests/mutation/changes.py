"""The small changes that can be made in a module: of operators, of numbers and truths, of texts that are compared.

Left alone are what no test could notice (annotations, decorators), messages, and the insides of f-strings, of which
Python 3.11 does not tell the places. In a module that uses Spark, so is each statement or function that names Spark.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">=")),
    ast.LtE: ("<=", ("<", ">")),
    ast.Gt: (">", (">=", "<=")),
    ast.GtE: (">=", (">", "<")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: ("is not", ("is",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: ("not in", ("in",)),
}
ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "//"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.BitOr: ("|", "&"),
    ast.BitAnd: ("&", "|"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
}
SPARK = ("pyspark", "py4j")
NOT_OURS_TO_TEST = {"strict", "frozen", "slots", "total"}
"""Keywords that guard against slips of whoever writes the code, and that no run of it can meet."""


@dataclass(frozen=True)
class Change:
    """One change of a module: the bytes from `start` to `end` become `text`."""

    line: int
    place: str
    """The function or class that it is in, as `Class.method`; empty for the module itself."""
    start: int
    end: int
    text: str
    old: str
    """The expression around it, on one line."""
    new: str


def changed(source: bytes, change: Change) -> bytes:
    """Return the module's text with the change made."""
    return source[: change.start] + change.text.encode() + source[change.end :]


def changes_of(source: bytes) -> list[tuple[Change, ...]]:
    """Return, for each place of a module where something can be changed, what it can become."""
    return list(_Finder(source).found())


class _Finder:
    def __init__(self, source: bytes) -> None:
        self._source = source
        self._lines = [f"{line}\n" for line in source.decode().split("\n")]
        self._begins = [0]
        for line in self._lines:
            self._begins.append(self._begins[-1] + len(line.encode()))
        self._tree = ast.parse(source)
        self._parents = {child: node for node in ast.walk(self._tree) for child in ast.iter_child_nodes(node)}
        self._tokens = [
            (self._byte(one.start), self._byte(one.end), one.string)
            for one in tokenize.generate_tokens(io.StringIO(source.decode()).readline)
            if one.type in (tokenize.OP, tokenize.NAME)
        ]
        self._spark = _names_of_spark(self._tree)

    def found(self) -> Iterator[tuple[Change, ...]]:
        for node, place in self._nodes(self._tree, ""):
            if isinstance(node, ast.Compare):
                yield from self._comparisons(node, place)
            elif isinstance(node, ast.BoolOp):
                word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
                for left, right in zip(node.values, node.values[1:], strict=False):
                    yield self._operator(node, place, left, right, word, (other,))
            elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
                sign, other = ARITHMETIC[type(node.op)]
                yield self._operator(node, place, node.left, node.right, sign, (other,))
            elif isinstance(node, ast.AugAssign) and type(node.op) in ARITHMETIC:
                sign, other = ARITHMETIC[type(node.op)]
                yield self._operator(node, place, node.target, node.value, f"{sign}=", (f"{other}=",))
            elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
                begin = self._start(node)
                if self._text(node).startswith("not "):
                    yield (self._change(node, place, begin, begin + len("not "), ""),)
            elif isinstance(node, ast.Constant) and (texts := self._constants(node)):
                around = self._around(node)
                yield tuple(self._change(around, place, self._start(node), self._end(node), text) for text in texts)

    def _nodes(self, node: ast.AST, place: str) -> Iterator[tuple[ast.AST, str]]:
        """Walk what can be changed, with the function or class that each node is in."""
        if self._is_left_alone(node):
            return
        yield node, place
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            place = f"{place}.{node.name}".lstrip(".")
        for field, value in ast.iter_fields(node):
            if field not in ("annotation", "returns", "decorator_list"):
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        yield from self._nodes(child, place)

    def _is_left_alone(self, node: ast.AST) -> bool:
        match node:
            case ast.JoinedStr() | ast.Import() | ast.ImportFrom():
                return True
            case ast.If():
                return "TYPE_CHECKING" in ast.dump(node.test) or "__name__" in ast.dump(node.test)
            case ast.Subscript(value=ast.Name(id="Literal")):
                return True
            case ast.keyword():
                return node.arg in NOT_OURS_TO_TEST
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name))) if "log" in name.lower():
                return True
            case ast.BinOp(op=ast.BitOr()) if _is_type(node, self._parents[node]):
                return True
            case ast.BinOp() if _is_text(node.left) or _is_text(node.right):
                return True  # there is no other arithmetic of texts, so nothing but a TypeError would come of it
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Assign() | ast.AnnAssign() | ast.Expr():
                return any(isinstance(one, ast.Name) and one.id in self._spark for one in ast.walk(node))
        return False

    def _comparisons(self, node: ast.Compare, place: str) -> Iterator[tuple[Change, ...]]:
        operands = [node.left, *node.comparators]
        for left, operator, right in zip(operands, node.ops, operands[1:], strict=False):
            sign, others = COMPARISONS[type(operator)]
            yield self._operator(node, place, left, right, sign, others)

    def _operator(
        self, node: ast.AST, place: str, left: ast.expr, right: ast.expr, sign: str, others: tuple[str, ...]
    ) -> tuple[Change, ...]:
        between = [one for one in self._tokens if self._end(left) <= one[0] and one[1] <= self._start(right)]
        words = [one for one in between if one[2] not in ("(", ")")]
        assert " ".join(word for _, _, word in words) == sign, f"{sign} expected, {words} found"
        return tuple(self._change(node, place, words[0][0], words[-1][1], other) for other in others)

    def _constants(self, node: ast.Constant) -> tuple[str, ...]:
        match node.value:
            case bool():
                return (str(not node.value),)
            case int():
                write = oct if self._text(node).startswith("0o") else str
                return write(node.value + 1), write(node.value - 1)
            case float():
                return str(node.value + 1), str(node.value - 1)
            case str() if self._is_compared(node):
                return (repr(node.value + "_"),)
        return ()

    def _is_compared(self, node: ast.AST) -> bool:
        parent = self._parents[node]
        if isinstance(parent, ast.Tuple | ast.Set | ast.List):
            return self._is_compared(parent) if isinstance(self._parents[parent], ast.Compare) else False
        if isinstance(parent, ast.Dict):
            return node in parent.keys
        if isinstance(parent, ast.Subscript):
            return node is parent.slice
        return isinstance(parent, ast.Compare | ast.MatchValue)

    def _around(self, node: ast.AST) -> ast.AST | None:
        """Return what shows a constant in its use: the expression or short statement that it is a part of."""
        parent = self._parents[node]
        if isinstance(parent, ast.Tuple | ast.List | ast.Set | ast.UnaryOp | ast.MatchValue | ast.Slice):
            return self._around(parent)
        if isinstance(parent, ast.expr | ast.keyword) and not isinstance(parent, ast.Dict):
            return parent
        return parent if isinstance(parent, ast.Return | ast.Assign | ast.AnnAssign | ast.AugAssign) else None

    def _change(self, around: ast.AST | None, place: str, start: int, end: int, text: str) -> Change:
        begins, ends = self._source.rfind(b"\n", 0, start) + 1, self._source.find(b"\n", end)
        if around is not None:
            begins, ends = self._start(around), self._end(around)
        line = self._source.count(b"\n", 0, start) + 1
        old = self._source[begins:ends].decode()
        new = b"".join((self._source[begins:start], text.encode(), self._source[end:ends])).decode()
        return Change(line, place, start, end, text, " ".join(old.split()), " ".join(new.split()))

    def _text(self, node: ast.AST) -> str:
        return self._source[self._start(node) : self._end(node)].decode()

    def _start(self, node: ast.AST) -> int:
        return self._begins[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined, no-any-return]

    def _end(self, node: ast.AST) -> int:
        return self._begins[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined, no-any-return]

    def _byte(self, position: tuple[int, int]) -> int:
        """Return where a token is: tokens count characters, trees count bytes."""
        line, column = position
        return (
            self._begins[line - 1] + len(self._lines[line - 1][:column].encode()) if column else self._begins[line - 1]
        )


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))


def _is_type(node: ast.BinOp, parent: ast.AST) -> bool:
    """Whether `|` stands between types, which have no other operator."""
    is_optional = isinstance(node.right, ast.Constant) and node.right.value is None
    return is_optional or (isinstance(parent, ast.Call) and getattr(parent.func, "id", "") == "isinstance")


def _names_of_spark(tree: ast.Module) -> frozenset[str]:
    """Return what a module calls what it has imported of Spark."""
    return frozenset(
        alias.asname or alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if str(getattr(node, "module", None) or alias.name).split(".")[0] in SPARK
    )
