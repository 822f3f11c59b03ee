import onnx.parser
import pytest

from interpret.model.onnx_graph import model_bytes, needed_nodes, unused_name
from tests.conftest import TOY_MODEL

TOY = onnx.parser.parse_model(TOY_MODEL)


def test_the_nodes_that_an_output_depends_on_come_in_order():
    kept = [node.op_type for node in needed_nodes(TOY.graph, ["embedding"])]
    assert kept == ["Cast", "Div", "Transpose", "ReduceMean"]
    assert [n.op_type for n in needed_nodes(TOY.graph, ["unit"])] == ["Cast", "Div"]
    assert needed_nodes(TOY.graph, ["pixels"]) == []
    everything = needed_nodes(TOY.graph, ["distances", "probabilities"])
    assert everything == list(TOY.graph.node)


def test_names_that_are_free_and_names_that_are_taken():
    assert unused_name(TOY.graph, "temperature") == "temperature"
    assert unused_name(TOY.graph, "scale") == "scale_"  # a constant
    assert unused_name(TOY.graph, "logits") == "logits_"  # a node's output


def test_a_malformed_graph_is_refused():
    broken = onnx.ModelProto.FromString(TOY.SerializeToString())
    del broken.graph.node[0]
    with pytest.raises(onnx.checker.ValidationError):
        model_bytes(broken)
    assert model_bytes(TOY) == TOY.SerializeToString()
