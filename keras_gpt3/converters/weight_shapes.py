"""The weights of a backbone and their shapes, from its arguments alone."""

# Whatever changes the shape of a weight.
SHAPE_KEYS = (
    "vocabulary_size",
    "num_layers",
    "hidden_dim",
    "intermediate_dim",
    "max_sequence_length",
    "embedding_dim",
    "use_bias",
    "query_key_value_bias",
    "use_final_norm",
    "layer_norm_affine",
    "position_offset",
)


def weight_shapes(arguments):
    """List every weight of a backbone."""
    vocabulary = arguments["vocabulary_size"]
    width = arguments["hidden_dim"]
    embedding_width = arguments["embedding_dim"] or width
    has_projections = embedding_width != width
    positions = arguments["max_sequence_length"] + arguments["position_offset"]
    shapes = {"token_embedding/embeddings": (vocabulary, embedding_width)}
    if has_projections:
        shapes |= _dense("embedding_projection", embedding_width, width, False)
    shapes["position_embedding/table/embeddings"] = (positions, width)
    block = _block_shapes(arguments)
    for i in range(arguments["num_layers"]):
        shapes |= {f"decoder_block_{i}/{k}": v for k, v in block.items()}
    if arguments["use_final_norm"]:
        shapes |= _norm("final_norm", arguments)
    if has_projections:
        shapes |= _dense("output_projection", width, embedding_width, False)
    return shapes


def _block_shapes(arguments):
    width = arguments["hidden_dim"]
    inner = arguments["intermediate_dim"]
    bias = arguments["use_bias"]
    fused_bias = bias and arguments["query_key_value_bias"]
    return (
        _norm("attention_norm", arguments)
        | _dense("query_key_value", width, 3 * width, fused_bias)
        | _dense("attention_output", width, width, bias)
        | _norm("feed_forward_norm", arguments)
        | _dense("feed_forward_intermediate", width, inner, bias)
        | _dense("feed_forward_output", inner, width, bias)
    )


def _dense(name, inputs, outputs, has_bias):
    shapes = {f"{name}/kernel": (inputs, outputs)}
    if has_bias:
        shapes[f"{name}/bias"] = (outputs,)
    return shapes


def _norm(name, arguments):
    if not arguments["layer_norm_affine"]:
        return {}
    shape = (arguments["hidden_dim"],)
    return {f"{name}/gamma": shape, f"{name}/beta": shape}
