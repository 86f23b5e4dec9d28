"""Models on disk: equal predictions, equal bytes, and nothing let in but a random forest."""

import dataclasses
import datetime
import io
import json
import pickle
import sys
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression

from stock_assets.core.errors import ArtefactError, DamagedArtefactError
from stock_assets.core.modelling import Model
from stock_assets.storage import models

FRIDAY = datetime.date(2024, 3, 8)
CARD = {"ticker": "TSLA", "as_of": "2024-03-08", "features": ["a", "b", "c"], "n_train": 300}

State = dict[str, Any]


def rows() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(300, 3))


@pytest.fixture(scope="module")
def model() -> Model:
    values = rows()
    returns = values[:, 0] * 0.001 + np.random.default_rng(2).normal(size=300) * 0.01
    settings = {"n_estimators": 5, "min_samples_leaf": 20, "random_state": 20200102}
    return Model(
        RandomForestClassifier(**settings).fit(values, (returns > 0).astype("int64")),
        RandomForestRegressor(**settings).fit(values, returns),
        CARD,
    )


@pytest.fixture(scope="module")
def files(model: Model) -> Mapping[str, bytes]:
    return models.encode_model(model)


def decode(files: Mapping[str, bytes]) -> Model:
    return models.decode_model(files, ticker="TSLA", as_of=FRIDAY)


def rewritten(data: bytes, change: Callable[[State, dict[str, bytes]], None]) -> bytes:
    """The archive after `change` to its schema and its arrays."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        arrays = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(arrays.pop("schema.json"))
    change(schema, arrays)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
        for name, array in arrays.items():
            archive.writestr(name, array)
    return buffer.getvalue()


def first_tree(schema: State) -> State:
    forest = schema["content"]["classifier"]["content"]["content"]
    return forest["estimators_"]["content"][0]["content"]["content"]["tree_"]


# Round trip


def test_a_model_comes_back_with_equal_forecasts(model: Model, files: Mapping[str, bytes]):
    back = decode(files)
    assert (back.classifier.predict_proba(rows()) == model.classifier.predict_proba(rows())).all()
    assert (back.regressor.predict(rows()) == model.regressor.predict(rows())).all()
    assert back.card == CARD
    assert back.classifier.get_params() == model.classifier.get_params()


def test_a_model_that_came_back_has_the_same_bytes(files: Mapping[str, bytes]):
    assert models.encode_model(decode(files)) == files


def test_gaps_between_a_trees_fields_are_zero(files: Mapping[str, bytes]):
    with zipfile.ZipFile(io.BytesIO(files[".skops"])) as archive:
        schema = json.loads(archive.read("schema.json"))
        nodes = np.load(io.BytesIO(archive.read(first_tree(schema)["content"]["content"]["nodes"]["file"])))
    assert nodes.dtype.itemsize == 64
    gaps = np.frombuffer(nodes.tobytes(), dtype="u1").reshape(-1, 64)[:, 57:]
    assert gaps.size
    assert not gaps.any()


def test_the_archive_names_no_address_and_no_moment(files: Mapping[str, bytes]):
    with zipfile.ZipFile(io.BytesIO(files[".skops"])) as archive:
        assert b"__id__" not in archive.read("schema.json")
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_skops_reads_the_file_as_its_own(model: Model, files: Mapping[str, bytes]):
    import skops.io

    assert skops.io.get_untrusted_types(data=files[".skops"]) == ["sklearn.tree._tree.Tree"]
    content = skops.io.loads(files[".skops"], trusted=["sklearn.tree._tree.Tree"])
    assert (content["regressor"].predict(rows()) == model.regressor.predict(rows())).all()


def test_a_model_of_other_parts_is_not_stored(model: Model):
    other = LogisticRegression().fit(rows(), np.arange(300) % 2)
    with pytest.raises(
        ArtefactError, match=r"TSLA 2024-03-08: the model can't be stored: it holds a sklearn\.linear_model"
    ):
        models.encode_model(dataclasses.replace(model, classifier=other))


# Wrong place, wrong version


def test_a_card_in_the_wrong_place_is_refused(files: Mapping[str, bytes]):
    with pytest.raises(DamagedArtefactError, match=r"STX 2024-03-08: model: .*came TSLA 2024-03-08; expected STX"):
        models.decode_model(files, ticker="STX", as_of=FRIDAY)


def test_a_forest_under_another_models_card_is_refused(model: Model, files: Mapping[str, bytes]):
    other = models.encode_model(dataclasses.replace(model, card=CARD | {"ticker": "STX"}))
    with pytest.raises(DamagedArtefactError, match=r"TSLA 2024-03-08: model: .*came STX 2024-03-08; expected TSLA"):
        decode({".skops": other[".skops"], ".json": files[".json"]})


def test_a_model_of_another_scikit_learn_says_so(files: Mapping[str, bytes]):
    def age(schema: State, _: object) -> None:
        schema["content"]["regressor"]["content"]["content"]["_sklearn_version"]["content"] = '"1.2.0"'

    with pytest.raises(ArtefactError) as caught:
        decode({**files, ".skops": rewritten(files[".skops"], age)})
    assert not isinstance(caught.value, DamagedArtefactError)
    assert f"made with scikit-learn 1.2.0; expected {sklearn.__version__}" in str(caught.value)


# The narrow door


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("sklearn.linear_model._logistic", "LogisticRegression"),
        ("this", "d"),  # a module whose import shows
    ],
)
@pytest.mark.parametrize(
    "loader", ["FunctionNode", "TypeNode", "ObjectNode", "ConstructorFromReduceNode", "MethodNode"]
)
def test_other_types_are_refused_by_name_and_not_imported(
    files: Mapping[str, bytes], module: str, name: str, loader: str
):
    def tamper(schema: State, _: object) -> None:
        content = {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "content": []}
        schema["content"]["regressor"] = {
            "__class__": name,
            "__module__": module,
            "__loader__": loader,
            "content": content,
        }

    with pytest.raises(
        DamagedArtefactError, match=f"TSLA 2024-03-08: model: .*it holds a {module}.{name} \\({loader}\\)"
    ):
        decode({**files, ".skops": rewritten(files[".skops"], tamper)})
    assert "this" not in sys.modules


def test_a_trusted_type_under_another_loader_is_refused(files: Mapping[str, bytes]):
    def tamper(schema: State, _: object) -> None:
        schema["content"]["regressor"]["__loader__"] = "PartialNode"

    with pytest.raises(DamagedArtefactError, match="PartialNode"):
        decode({**files, ".skops": rewritten(files[".skops"], tamper)})


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


def test_a_pickle_is_refused(files: Mapping[str, bytes]):
    with pytest.raises(DamagedArtefactError, match="bytes that are no model of ours"):
        decode({**files, ".skops": pickle.dumps(Bomb())})


def test_a_pickle_inside_an_array_is_refused(files: Mapping[str, bytes]):
    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb()], dtype=object), allow_pickle=True)

    def tamper(schema: State, arrays: dict[str, bytes]) -> None:
        arrays.update(dict.fromkeys(arrays, buffer.getvalue()))

    with pytest.raises(DamagedArtefactError, match="allow_pickle=False"):
        decode({**files, ".skops": rewritten(files[".skops"], tamper)})


@pytest.mark.parametrize(
    ("field", "node", "value"),
    [
        ("left_child", 0, 0),  # round in a circle
        ("left_child", 0, 10**9),
        ("right_child", 0, -5),
        ("right_child", -1, 3),  # a leaf with one child
        ("feature", 0, 3),  # there are 0, 1 and 2
        ("feature", 0, -2),
    ],
)
def test_a_tree_that_leads_out_of_its_arrays_is_refused(files: Mapping[str, bytes], field: str, node: int, value: int):
    def tamper(schema: State, arrays: dict[str, bytes]) -> None:
        name = first_tree(schema)["content"]["content"]["nodes"]["file"]
        nodes = np.load(io.BytesIO(arrays[name]))
        nodes[field][node] = value
        buffer = io.BytesIO()
        np.save(buffer, nodes)
        arrays[name] = buffer.getvalue()

    with pytest.raises(DamagedArtefactError, match="a tree that leads out of its own arrays"):
        decode({**files, ".skops": rewritten(files[".skops"], tamper)})


def test_a_tree_that_claims_more_nodes_than_it_has_is_refused(files: Mapping[str, bytes]):
    def tamper(schema: State, _: object) -> None:
        first_tree(schema)["content"]["content"]["node_count"]["content"] = "100000"

    with pytest.raises(DamagedArtefactError, match="a tree that leads out of its own arrays"):
        decode({**files, ".skops": rewritten(files[".skops"], tamper)})


def test_a_forest_that_takes_fewer_features_than_its_trees_is_refused(files: Mapping[str, bytes]):
    def tamper(schema: State, _: object) -> None:
        schema["content"]["classifier"]["content"]["content"]["n_features_in_"]["content"] = "2"

    with pytest.raises(DamagedArtefactError, match=r"the classifier takes 2 features, its trees \[3\]"):
        decode({**files, ".skops": rewritten(files[".skops"], tamper)})


def test_a_regressor_in_the_classifiers_place_is_refused(files: Mapping[str, bytes]):
    def tamper(schema: State, _: object) -> None:
        schema["content"]["classifier"] = schema["content"]["regressor"]

    with pytest.raises(DamagedArtefactError, match="the classifier is a RandomForestRegressor"):
        decode({**files, ".skops": rewritten(files[".skops"], tamper)})


@pytest.mark.parametrize("cut", [0, 10, 1000, -30])
def test_a_truncated_file_is_refused(files: Mapping[str, bytes], cut: int):
    with pytest.raises(DamagedArtefactError, match=r"TSLA 2024-03-08: model: [\d,]+ bytes that are no model of ours"):
        decode({**files, ".skops": files[".skops"][:cut]})


@pytest.mark.parametrize("missing", ["content", "key_types"])
def test_a_schema_without_its_parts_is_refused(files: Mapping[str, bytes], missing: str):
    def tamper(schema: State, _: object) -> None:
        del schema[missing]

    with pytest.raises(DamagedArtefactError):
        decode({**files, ".skops": rewritten(files[".skops"], tamper)})
