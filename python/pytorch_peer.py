"""timm's EfficientNet in PyTorch: eager, channels last, for inference or as a training step. See protocol.py."""

import time

from protocol import read_floats, read_weights, serve


def build(config):
    import numpy
    import timm
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(config["threads"])
    start = time.perf_counter()
    training = config["training"]
    rates = {} if training is None else {"drop_rate": training["dropout"], "drop_path_rate": training["stochasticDepth"]}
    net = timm.create_model(f"tf_efficientnet_{config['variant']}", num_classes=config["classes"], **rates)
    load(net, read_weights(numpy, config), torch)
    net = net.to(memory_format=torch.channels_last)
    net.train(training is not None)
    # [N,H,W,C] in memory is what PyTorch calls channels last.
    images = torch.from_numpy(read_floats(numpy, config["image"], config["imageShape"])).permute(0, 3, 1, 2)
    mean = torch.tensor(config["mean"]).view(1, 3, 1, 1)
    deviation = torch.tensor(config["deviation"]).view(1, 3, 1, 1)
    forward = lambda: net((images - mean) / deviation)
    results = []

    def infer():
        with torch.inference_mode():
            logits = forward()
            results[:] = [logits, torch.softmax(logits, 1)]

    def outputs():
        infer()
        return results[0].flatten().tolist()

    versions = f"PyTorch {torch.__version__}, timm {timm.__version__}"
    if training is None:
        return versions, infer, outputs, 1000 * (time.perf_counter() - start)
    labels = torch.from_numpy(read_floats(numpy, config["label"], [config["imageShape"][0]], "int32").astype("int64"))
    step = step_of(net, forward, labels, training, torch, F)
    return versions, step, lambda: None, 1000 * (time.perf_counter() - start)


def load(net, weights, torch):
    """effuse's variables are in the order of timm's; kernels are [KH,KW,C,F], depthwise [KH,KW,C,1], dense [in,out]."""
    state = {name: value for name, value in net.state_dict().items() if not name.endswith("num_batches_tracked")}
    if len(state) != len(weights):
        raise ValueError(f"timm's network has {len(state)} tensors, effuse's {len(weights)}")
    loaded = {}
    for (name, value), weight in zip(state.items(), weights):
        tensor = torch.from_numpy(weight.copy())
        if tensor.ndim == 2:
            tensor = tensor.T
        elif tensor.ndim == 4:
            forms = [tensor.permute(3, 2, 0, 1), tensor.permute(2, 3, 0, 1)]
            tensor = next((form for form in forms if form.shape == value.shape), tensor)
        if tensor.shape != value.shape:
            raise ValueError(f"{name} is {list(value.shape)} in timm's network and {list(weight.shape)} in effuse's")
        loaded[name] = tensor.contiguous()
    net.load_state_dict(loaded, strict=False)


def step_of(net, forward, labels, options, torch, F):
    parameters = list(net.parameters())
    optimizer = torch.optim.RMSprop(
        parameters,
        lr=options["learningRate"],
        alpha=options["rho"],
        eps=options["epsilon"],
        momentum=options["momentum"],
        weight_decay=2 * options["weightDecay"],
        foreach=True,
    )
    averaged = [value for value in net.state_dict().values() if value.is_floating_point()]
    averages = [value.detach().clone() for value in averaged]

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(forward(), labels, label_smoothing=options["labelSmoothing"])
        loss.backward()
        optimizer.step()
        if options["emaDecay"] is not None:
            with torch.no_grad():
                torch._foreach_lerp_(averages, averaged, 1 - options["emaDecay"])
        loss.item()

    return step


serve(build)
