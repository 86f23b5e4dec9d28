"""Bytes of fitted models: a skops file and the model's card. Pure: no path, no store, no clock. Never pickle.

skops alone gives two things up that are needed here:

- **Same model, same bytes.** It names objects and arrays by their address in memory, stamps the files with the time and
  keeps the gaps between a tree's fields. So its archive is rewritten: no addresses, arrays named by the SHA-256 of
  their content (equal ones kept once), gaps zero, a fixed order and date. skops reads the result like its own.
- **A narrow door.** It trusts every estimator there is, and does not look into the arrays of a tree, which scikit-learn
  follows without a bounds check. So a file is read only if it holds nothing but the types our models are made of,
  and each tree leads from its root to leaves, inside its own arrays. A seal proves that bytes are the ones written;
  this protects against bytes that somebody else wrote and sealed.
"""

import datetime
import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from stock_assets.core.errors import ArtefactError, DamagedArtefactError
from stock_assets.storage import formats

if TYPE_CHECKING:
    import numpy as np

    from stock_assets.core.modelling import Model

FILE, CARD = ".skops", ".json"

_SCHEMA = "schema.json"

_BOOSTING = "sklearn.ensemble._hist_gradient_boosting"

# (skops's loader, type). Everything in the fitted estimators of core.estimators, and the dict that holds two of them.
_ALLOWED = frozenset(
    {
        ("DictNode", "builtins.dict"),
        ("ListNode", "builtins.list"),
        ("TupleNode", "builtins.tuple"),
        ("JsonNode", "builtins.str"),
        ("TypeNode", "builtins.str"),
        ("NdArrayNode", "numpy.ndarray"),
        ("NdArrayNode", "numpy.int64"),
        ("NdArrayNode", "numpy.uint64"),
        ("NdArrayNode", "numpy.float64"),
        ("ObjectNode", "sklearn.ensemble._forest.RandomForestClassifier"),
        ("ObjectNode", "sklearn.ensemble._forest.RandomForestRegressor"),
        ("ObjectNode", "sklearn.ensemble._forest.ExtraTreesClassifier"),
        ("ObjectNode", "sklearn.ensemble._forest.ExtraTreesRegressor"),
        ("ObjectNode", "sklearn.tree._classes.DecisionTreeClassifier"),
        ("ObjectNode", "sklearn.tree._classes.DecisionTreeRegressor"),
        ("ObjectNode", "sklearn.tree._classes.ExtraTreeClassifier"),
        ("ObjectNode", "sklearn.tree._classes.ExtraTreeRegressor"),
        ("TreeNode", "sklearn.tree._tree.Tree"),
        ("ObjectNode", f"{_BOOSTING}.gradient_boosting.HistGradientBoostingClassifier"),
        ("ObjectNode", f"{_BOOSTING}.gradient_boosting.HistGradientBoostingRegressor"),
        ("ObjectNode", f"{_BOOSTING}.binning._BinMapper"),
        ("ObjectNode", f"{_BOOSTING}.predictor.TreePredictor"),
        ("ObjectNode", "sklearn.preprocessing._label.LabelEncoder"),
        ("ObjectNode", "sklearn._loss.loss.HalfBinomialLoss"),
        ("ObjectNode", "sklearn._loss.loss.HalfSquaredError"),
        ("ObjectNode", "sklearn._loss.link.IdentityLink"),
        ("ObjectNode", "sklearn._loss.link.LogitLink"),
        ("ObjectNode", "sklearn._loss.link.Interval"),
        ("ObjectNode", "sklearn.pipeline.Pipeline"),
        ("ObjectNode", "sklearn.preprocessing._data.StandardScaler"),
        ("ObjectNode", "sklearn.linear_model._logistic.LogisticRegression"),
        ("ObjectNode", "sklearn.linear_model._ridge.Ridge"),
    }
)
# Those of them that skops does not trust by itself, for the reason that _check_tree and _check_boosting take away.
_TRUSTED = ["sklearn.tree._tree.Tree", f"{_BOOSTING}.predictor.TreePredictor"]

# Parts of gradient boosting that are no estimators: scikit-learn notes no version in them.
_WITHOUT_VERSION = ("sklearn._loss.", f"{_BOOSTING}.predictor")

# What boosting needs only while it fits, and makes anew for the next fit, is neither written nor let in: the generator
# that draws features, which skops rebuilds by calling whatever in numpy.random the file names, and the gradient of the
# loss, of a compiled module whose name differs between versions.
_FOR_FITTING = ("RandomGeneratorNode", "LossNode")
_NOTHING = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": "null", "is_json": True}

# (classifier, regressor), as `_kind` names them.
_LINEAR = ("[StandardScaler, LogisticRegression]", "[StandardScaler, Ridge]")
_BOOSTED = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")
_PAIRS = (
    ("RandomForestClassifier", "RandomForestRegressor"),
    ("ExtraTreesClassifier", "ExtraTreesRegressor"),
    _BOOSTED,
    _LINEAR,
)

# 1980 is the earliest that a zip can say.
_DATE = (1980, 1, 1, 0, 0, 0)

# What zipfile, zlib, json, skops, numpy and scikit-learn raise over bytes that are not theirs.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    IndexError,
    AttributeError,
    TypeError,
    ValueError,
    RuntimeError,
)


class _RefusedError(ValueError):
    """A readable skops file that is not let in."""


def encode_model(model: "Model") -> dict[str, bytes]:
    """Suffix -> bytes: `.skops`, the two estimators with ticker and session; `.json`, the card.

    The card must say `ticker` and `as_of` (ISO text). Equal models give equal bytes, in a new process and after loading
    too. Raises `ArtefactError` for a model with parts that `decode_model` would refuse.
    """
    import skops.io

    ticker, as_of = model.card["ticker"], model.card["as_of"]
    content = {"ticker": ticker, "as_of": as_of, "classifier": model.classifier, "regressor": model.regressor}
    try:
        archive = _canonical(skops.io.dumps(content))
    except _RefusedError as error:
        raise ArtefactError(f"{ticker} {as_of}: the model can't be stored: {error}") from error
    return {FILE: archive, CARD: formats.encode_json(model.card)}


def decode_model(files: Mapping[str, bytes], *, ticker: str, as_of: datetime.date) -> "Model":
    """The model that `encode_model` was given.

    Raises `DamagedArtefactError` when the bytes are no such model, hold a type or a tree that is not let in (named in
    the message, never imported), or are another ticker's or session's; `ArtefactError` when another version of
    scikit-learn made it, since that promises no equal results across versions.
    """
    from stock_assets.core.modelling import Model

    who = f"{ticker} {as_of}: model"
    card = formats.decode_json(files[CARD], asset="model", ticker=ticker, as_of=as_of)
    data = files[FILE]
    try:
        content = _load(data, who)
    except _UNREADABLE as error:
        raise DamagedArtefactError(f"{who}: {len(data):,} bytes that are no model of ours: {error}") from error
    came, expected = (content["ticker"], content["as_of"]), (ticker, as_of.isoformat())
    if came != expected:
        raise DamagedArtefactError(
            f"{who}: the file is another one's: came {' '.join(map(str, came))}; expected {' '.join(expected)}"
        )
    return Model(classifier=content["classifier"], regressor=content["regressor"], card=card)


def _canonical(dumped: bytes) -> bytes:
    """A skops file whose bytes depend on nothing but what it holds."""
    with zipfile.ZipFile(io.BytesIO(dumped)) as archive:
        schema = json.loads(archive.read(_SCHEMA))
        members: dict[str, bytes] = {}
        for node in _nodes(schema):
            if node.get("__loader__") in _FOR_FITTING:
                node.clear()
                node.update(_NOTHING)
            _check_type(node)
            # An address; skops also knows by it which nodes are one object. Estimators share none that they change.
            node.pop("__id__", None)
            if "file" in node:
                array = _without_padding(archive.read(node["file"]))
                node["file"] = f"{hashlib.sha256(array).hexdigest()[:32]}.npy"
                members[node["file"]] = array
    rewritten = io.BytesIO()
    with zipfile.ZipFile(rewritten, "w") as archive:
        _write_member(archive, _SCHEMA, json.dumps(schema, separators=(",", ":")).encode())
        for name, array in members.items():
            _write_member(archive, name, array)
    return rewritten.getvalue()


def _without_padding(stored: bytes) -> bytes:
    """The same array in .npy, with zeros between the fields of its records.

    A tree's nodes are 57 bytes in a place of 64; what the rest holds is whatever the memory held before.
    """
    import numpy as np

    array = np.load(io.BytesIO(stored), allow_pickle=False)
    if array.dtype.names is None:
        return stored
    clean = np.zeros(array.shape, array.dtype)
    for name in array.dtype.names:
        clean[name] = array[name]
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()


def _write_member(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    member = zipfile.ZipInfo(name, date_time=_DATE)
    member.create_system = 3  # the default names the operating system
    member.external_attr = 0o644 << 16
    archive.writestr(member, data, compress_type=zipfile.ZIP_DEFLATED, compresslevel=6)


def _load(data: bytes, who: str) -> dict[str, Any]:
    import skops.io

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        schema = json.loads(archive.read(_SCHEMA))
        for node in _nodes(schema):
            _check_type(node)
        # Only now, with every type known: these look into the content.
        for node in _nodes(schema):
            if node["__loader__"] == "TreeNode":
                _check_tree(node, archive)
            elif node["__loader__"] == "ObjectNode" and not node["__module__"].startswith(_WITHOUT_VERSION):
                _check_version(node, who)
    content = skops.io.loads(data, trusted=_TRUSTED)
    _check_estimators(content["classifier"], content["regressor"])
    return content


def _nodes(state: Any) -> Iterator[dict[str, Any]]:
    """Every part of a skops schema that says how to load something, outermost first."""
    stack = [state]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            if not value.keys().isdisjoint(("__loader__", "__class__", "__module__")):
                yield value
            stack.extend(reversed(value.values()))
        elif isinstance(value, list):
            stack.extend(reversed(value))


def _check_type(node: Mapping[str, Any]) -> None:
    loader, name = str(node.get("__loader__")), f"{node.get('__module__')}.{node.get('__class__')}"
    if (loader, name) not in _ALLOWED:
        raise _RefusedError(f"it holds a {name} ({loader}); our models need none, and nothing else is let in")


def _check_version(node: Mapping[str, Any], who: str) -> None:
    import sklearn

    made_with = json.loads(node["content"]["content"]["_sklearn_version"]["content"])
    if made_with != sklearn.__version__:
        raise ArtefactError(
            f"{who}: made with scikit-learn {made_with}; expected {sklearn.__version__}, which is installed, since "
            "results may differ between versions; materialise this model again"
        )


def _check_tree(node: Mapping[str, Any], archive: zipfile.ZipFile) -> None:
    """Refuse a tree that would lead scikit-learn, which checks no bounds, out of its arrays or round in a circle.

    Its builder always puts a child after its parent; a file that keeps to that has an end on every way down.
    """
    import numpy as np

    def number(state: Mapping[str, Any]) -> int:
        return int(json.loads(state["content"]))

    def array(state: Mapping[str, Any]) -> "np.ndarray":
        return np.load(io.BytesIO(archive.read(state["file"])), allow_pickle=False)

    n_features, n_classes, n_outputs = node["__reduce__"]["args"]["content"]
    state = node["content"]["content"]
    nodes, count = array(state["nodes"]), number(state["node_count"])
    left, right, feature = nodes["left_child"], nodes["right_child"], nodes["feature"]
    place = np.arange(len(nodes))
    is_leaf = left == -1
    children_follow = (left > place) & (left < count) & (right > place) & (right < count)
    feature_exists = (feature >= 0) & (feature < number(n_features))
    if not (
        count == len(nodes) >= 1
        and len(array(n_classes)) == number(n_outputs) >= 1
        and np.all(is_leaf & (right == -1) | ~is_leaf & children_follow & feature_exists)
    ):
        raise _RefusedError("it holds a tree that leads out of its own arrays")


def _check_estimators(classifier: Any, regressor: Any) -> None:
    """Refuse two that are no pair, and estimators whose parts do not fit together.

    What is left of them is harmless to load; asked for a forecast, boosting would follow its trees out of their arrays.
    """
    kinds = (_kind(classifier), _kind(regressor))
    if kinds not in _PAIRS:
        raise _RefusedError(
            f"the classifier is a {kinds[0]} and the regressor a {kinds[1]}; "
            f"expected one of {'; '.join(' and '.join(pair) for pair in _PAIRS)}"
        )
    for name, estimator in (("classifier", classifier), ("regressor", regressor)):
        if kinds == _LINEAR:
            _check_linear(estimator, name)
        elif kinds == _BOOSTED:
            _check_boosting(estimator, name)
        else:
            widths = {tree.tree_.n_features for tree in estimator.estimators_}
            if widths != {estimator.n_features_in_}:
                raise _RefusedError(f"the {name} takes {estimator.n_features_in_} features, its trees {sorted(widths)}")


def _kind(estimator: Any) -> str:
    """Name of the type; of a pipeline, those of its steps."""
    if type(estimator).__name__ != "Pipeline":
        return type(estimator).__name__
    return "[" + ", ".join(type(step).__name__ for _, step in estimator.steps) + "]"


def _check_linear(pipeline: Any, name: str) -> None:
    scaler, model = (step for _, step in pipeline.steps)
    widths = {model.coef_.size, scaler.mean_.size, scaler.scale_.size}
    if widths != {scaler.n_features_in_}:
        raise _RefusedError(f"the {name} takes {scaler.n_features_in_} features, its parts {sorted(widths)}")


def _check_boosting(boosting: Any, name: str) -> None:
    """As `_check_tree`. Ours split on numbers only: the bit sets of categories would be followed unchecked too."""
    import numpy as np
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

    width = boosting.n_features_in_
    categorical = boosting._bin_mapper.is_categorical_
    if categorical.shape != (width,) or categorical.any():
        raise _RefusedError(f"the {name} takes {width} features, its bins {categorical.size} or categories")
    for trees in boosting._predictors:
        for tree in trees:
            nodes = tree.nodes
            place = np.arange(len(nodes))
            left, right = nodes["left"].astype("int64"), nodes["right"].astype("int64")
            children_follow = (left > place) & (left < len(nodes)) & (right > place) & (right < len(nodes))
            splits = children_follow & (nodes["feature_idx"] >= 0) & (nodes["feature_idx"] < width)
            if not (
                type(tree).__name__ == "TreePredictor"
                and nodes.dtype == PREDICTOR_RECORD_DTYPE
                and nodes.ndim == 1
                and len(nodes) >= 1
                and np.all((nodes["is_leaf"] != 0) | splits & (nodes["is_categorical"] == 0))
            ):
                raise _RefusedError("it holds a tree that leads out of its own arrays")
