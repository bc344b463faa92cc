from keras_gpt3.planning.device_share import DeviceShare
from keras_gpt3.planning.device_share import WeightShards
from keras_gpt3.planning.mesh import Mesh
from tests.planning.toy_config import TOY

MESH = Mesh(data=4, model=2)
OVER_MODEL = WeightShards.of(TOY, 2)
OVER_BOTH = WeightShards.of(TOY, 2, 4)


def test_the_model_axis_shares_all_there_is():
    share = DeviceShare.of(TOY, MESH)
    assert share.held == share.used == share.slots == OVER_MODEL
    assert not share.is_fetched


def test_the_data_axis_shares_the_optimizer_s_state():
    share = DeviceShare.of(TOY, MESH, shard_optimizer=True)
    assert share.held == share.used == OVER_MODEL
    assert share.slots == OVER_BOTH
    assert not share.is_fetched


def test_or_the_weights_and_then_that_too():
    share = DeviceShare.of(TOY, MESH, shard_weights=True)
    assert share.held == share.slots == OVER_BOTH
    assert share.used == OVER_MODEL
    assert share.is_fetched
    both = DeviceShare.of(TOY, MESH, shard_optimizer=True, shard_weights=True)
    assert both == share
