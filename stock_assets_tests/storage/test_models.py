"""Models on disk: equal forecasts, equal bytes, and nothing let in but our own kinds of model."""

import dataclasses
import datetime
import functools
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
from sklearn.naive_bayes import GaussianNB

from stock_assets.core import estimators
from stock_assets.core.errors import ArtefactError, DamagedArtefactError
from stock_assets.core.model_settings import ESTIMATORS, ModelSettings
from stock_assets.core.modelling import Model
from stock_assets.storage import models

FRIDAY = datetime.date(2024, 3, 8)
CARD = {"ticker": "TSLA", "as_of": "2024-03-08", "features": ["a", "b", "c"], "n_train": 300}

State = dict[str, Any]


def rows() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(300, 3))


PARAMETERS: dict[str, dict[str, Any]] = {
    "random_forest": {"n_estimators": 5, "min_samples_leaf": 20},
    "extra_trees": {"n_estimators": 5, "min_samples_leaf": 20},
    "hist_gradient_boosting": {"max_iter": 5, "min_samples_leaf": 20},
    "linear": {},
}


@functools.cache
def model_of(estimator: str) -> Model:
    values = rows()
    returns = values[:, 0] * 0.001 + np.random.default_rng(2).normal(size=300) * 0.01
    settings = ModelSettings(estimator=estimator, parameters=PARAMETERS[estimator])
    fitted = estimators.fit(values, returns, (returns > 0).astype("float64"), settings)
    return Model(fitted.classifier, fitted.regressor, CARD)


@functools.cache
def files_of(estimator: str) -> Mapping[str, bytes]:
    return models.encode_model(model_of(estimator))


every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)


@pytest.fixture
def model() -> Model:
    return model_of("random_forest")


@pytest.fixture
def files() -> Mapping[str, bytes]:
    return files_of("random_forest")


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


@every_estimator
def test_a_model_comes_back_with_equal_forecasts(estimator: str):
    model, back = model_of(estimator), decode(files_of(estimator))
    assert np.array_equal(estimators.forecast(back, rows()), estimators.forecast(model, rows()))
    assert np.array_equal(back.classifier.predict_proba(rows()), model.classifier.predict_proba(rows()))
    assert np.array_equal(back.regressor.predict(rows()), model.regressor.predict(rows()))
    assert back.card == CARD


@pytest.mark.parametrize("estimator", ["random_forest", "extra_trees", "hist_gradient_boosting"])
def test_a_model_comes_back_with_equal_hyperparameters(estimator: str):
    model, back = model_of(estimator), decode(files_of(estimator))
    assert back.classifier.get_params() == model.classifier.get_params()
    assert back.regressor.get_params() == model.regressor.get_params()


@every_estimator
def test_a_model_that_came_back_has_the_same_bytes(estimator: str):
    assert models.encode_model(decode(files_of(estimator))) == files_of(estimator)


@every_estimator
def test_the_archive_names_no_address_and_no_moment(estimator: str):
    with zipfile.ZipFile(io.BytesIO(files_of(estimator)[".skops"])) as archive:
        assert b"__id__" not in archive.read("schema.json")
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_gaps_between_a_trees_fields_are_zero(files: Mapping[str, bytes]):
    with zipfile.ZipFile(io.BytesIO(files[".skops"])) as archive:
        schema = json.loads(archive.read("schema.json"))
        nodes = np.load(io.BytesIO(archive.read(first_tree(schema)["content"]["content"]["nodes"]["file"])))
    assert nodes.dtype.itemsize == 64
    gaps = np.frombuffer(nodes.tobytes(), dtype="u1").reshape(-1, 64)[:, 57:]
    assert gaps.size
    assert not gaps.any()


@every_estimator
def test_skops_reads_the_file_as_its_own(estimator: str):
    import skops.io

    data = files_of(estimator)[".skops"]
    untrusted = {
        "hist_gradient_boosting": ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"],
        "linear": [],
    }.get(estimator, ["sklearn.tree._tree.Tree"])
    assert skops.io.get_untrusted_types(data=data) == untrusted
    content = skops.io.loads(data, trusted=untrusted)
    assert (content["regressor"].predict(rows()) == model_of(estimator).regressor.predict(rows())).all()


def test_a_model_of_other_parts_is_not_stored(model: Model):
    other = GaussianNB().fit(rows(), np.arange(300) % 2)
    with pytest.raises(
        ArtefactError, match=r"TSLA 2024-03-08: the model can't be stored: it holds a sklearn\.naive_bayes\.GaussianNB"
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


@every_estimator
def test_a_model_of_another_scikit_learn_says_so(estimator: str):
    def age(schema: State, _: object) -> None:
        schema["content"]["regressor"]["content"]["content"]["_sklearn_version"]["content"] = '"1.2.0"'

    with pytest.raises(ArtefactError) as caught:
        decode({**files_of(estimator), ".skops": rewritten(files_of(estimator)[".skops"], age)})
    assert not isinstance(caught.value, DamagedArtefactError)
    assert f"made with scikit-learn 1.2.0; expected {sklearn.__version__}" in str(caught.value)


# The narrow door


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("sklearn.naive_bayes", "GaussianNB"),
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


@every_estimator
def test_a_regressor_in_the_classifiers_place_is_refused(estimator: str):
    def tamper(schema: State, _: object) -> None:
        schema["content"]["classifier"] = schema["content"]["regressor"]

    with pytest.raises(DamagedArtefactError, match=r"the classifier is a .*(Regressor|Ridge).* and the regressor a"):
        decode({**files_of(estimator), ".skops": rewritten(files_of(estimator)[".skops"], tamper)})


def test_a_classifier_and_a_regressor_of_two_kinds_are_refused():
    def tamper(schema: State, arrays: dict[str, bytes]) -> None:
        with zipfile.ZipFile(io.BytesIO(files_of("linear")[".skops"])) as archive:
            schema["content"]["regressor"] = json.loads(archive.read("schema.json"))["content"]["regressor"]
            arrays |= {name: archive.read(name) for name in archive.namelist() if name != "schema.json"}

    with pytest.raises(
        DamagedArtefactError,
        match=r"is a RandomForestClassifier and the regressor a \[StandardScaler, Ridge\]; expected",
    ):
        decode({".json": files_of("linear")[".json"], ".skops": rewritten(files_of("random_forest")[".skops"], tamper)})


# ... of gradient boosting


def boosting(schema: State) -> State:
    return schema["content"]["classifier"]["content"]["content"]


def first_predictor(schema: State) -> State:
    return boosting(schema)["_predictors"]["content"][0]["content"][0]["content"]["content"]


def tampered(estimator: str, change: Callable[[State, dict[str, bytes]], None]) -> Mapping[str, bytes]:
    return {**files_of(estimator), ".skops": rewritten(files_of(estimator)[".skops"], change)}


def change_array(arrays: dict[str, bytes], state: State, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Gives `state` an array of its own, since the file keeps equal ones once."""
    array = change(np.load(io.BytesIO(arrays[state["file"]])))
    buffer = io.BytesIO()
    np.save(buffer, array)
    state["file"] = "changed.npy"
    arrays["changed.npy"] = buffer.getvalue()


def test_boosting_is_stored_without_its_random_generator(files: Mapping[str, bytes]):
    with zipfile.ZipFile(io.BytesIO(files_of("hist_gradient_boosting")[".skops"])) as archive:
        assert b"Generator" not in archive.read("schema.json")


def test_a_random_generator_is_refused():
    def tamper(schema: State, _: object) -> None:
        boosting(schema)["_feature_subsample_rng"] = {
            "__class__": "Generator",
            "__module__": "numpy.random._generator",
            "__loader__": "RandomGeneratorNode",
            "content": {"bit_generator": {"bit_generator": "seed"}},
        }

    with pytest.raises(DamagedArtefactError, match=r"it holds a numpy\.random\._generator\.Generator"):
        decode(tampered("hist_gradient_boosting", tamper))


@pytest.mark.parametrize(
    ("field", "node", "value"),
    [
        ("left", 0, 0),  # round in a circle
        ("left", 0, 2**32 - 1),
        ("right", 0, 10**6),
        ("is_leaf", -1, 0),  # and then to its child, node 0
        ("feature_idx", 0, 3),  # there are 0, 1 and 2
        ("feature_idx", 0, -1),
        ("is_categorical", 0, 1),  # looks into a bit set that is not there
    ],
)
def test_a_boosted_tree_that_leads_out_of_its_arrays_is_refused(field: str, node: int, value: int):
    def change(nodes: np.ndarray) -> np.ndarray:
        nodes[field][node] = value
        return nodes

    def tamper(schema: State, arrays: dict[str, bytes]) -> None:
        change_array(arrays, first_predictor(schema)["nodes"], change)

    with pytest.raises(DamagedArtefactError, match="a tree that leads out of its own arrays"):
        decode(tampered("hist_gradient_boosting", tamper))


@pytest.mark.parametrize(
    "change",
    [
        lambda nodes: nodes[:0],
        lambda nodes: nodes.reshape(-1, 1),
        lambda nodes: nodes.astype([(name, "f8") for name in nodes.dtype.names]),
        lambda nodes: nodes["value"],
    ],
    ids=["no node", "a table", "other types", "numbers"],
)
def test_a_boosted_tree_of_another_form_is_refused(change: Callable[[np.ndarray], np.ndarray]):
    def tamper(schema: State, arrays: dict[str, bytes]) -> None:
        change_array(arrays, first_predictor(schema)["nodes"], change)

    with pytest.raises(DamagedArtefactError):
        decode(tampered("hist_gradient_boosting", tamper))


@pytest.mark.parametrize("categorical", [[True, False, False], [False, False]])
def test_boosting_with_categories_is_refused(categorical: list[bool]):
    def tamper(schema: State, arrays: dict[str, bytes]) -> None:
        bins = boosting(schema)["_bin_mapper"]["content"]["content"]
        change_array(arrays, bins["is_categorical_"], lambda _: np.array(categorical))

    with pytest.raises(DamagedArtefactError, match="the classifier takes 3 features, its bins"):
        decode(tampered("hist_gradient_boosting", tamper))


# ... of linear models


@pytest.mark.parametrize(("step", "name"), [(0, "mean_"), (0, "scale_"), (1, "coef_")])
def test_linear_parts_of_different_widths_are_refused(step: int, name: str):
    def tamper(schema: State, arrays: dict[str, bytes]) -> None:
        steps = schema["content"]["regressor"]["content"]["content"]["steps"]["content"]
        part = steps[step]["content"][1]["content"]["content"]
        change_array(arrays, part[name], lambda array: array[..., :2])

    with pytest.raises(DamagedArtefactError, match=r"the regressor takes 3 features, its parts \[2, 3\]"):
        decode(tampered("linear", tamper))


def test_a_pipeline_of_other_steps_is_refused():
    def tamper(schema: State, _: object) -> None:
        steps = schema["content"]["regressor"]["content"]["content"]["steps"]["content"]
        steps.reverse()

    with pytest.raises(DamagedArtefactError, match=r"the regressor a \[Ridge, StandardScaler\]"):
        decode(tampered("linear", tamper))


# Bytes that are none


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
