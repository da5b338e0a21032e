"""docs/arithmetic.md once more, in plain Python integers: one number at a time, no NumPy, nothing of m0sim.

Tensors are nested lists: activations and errors [y][x][channel] or [value], weights [out][ky][kx][in] or [out][in].
A network is a list of layers: ("conv", kernel height, kernel width, stride, pads, pool), the same with "depthwise",
whose weights are [channel][ky][kx], or ("dense",). Pads are (above and below, left and right), pool is None or
("max" or "mean", height, width). `added` of the options says what is added to each layer's output: the number of the
layer that reads the same, or None.
"""

from __future__ import annotations

from typing import Any

Tensor = Any
Layer = tuple[Any, ...]


# -- arithmetic -------------------------------------------------------------------------------------------------------


def sat(x: int) -> int:
    return -127 if x < -127 else 127 if x > 127 else x


def sign(x: int) -> int:
    return (x > 0) - (x < 0)


def round_shift(x: int, s: int) -> int:
    if s <= 0:
        return x
    t, r = divmod(abs(x), 2**s)
    return sign(x) * (t + (1 if r >= 2 ** (s - 1) else 0))


def psto_shift(x: int, s: int) -> int:
    if s <= 0:
        return x
    t, r = divmod(abs(x), 2**s)
    h = s // 2
    q, u = divmod(r, 2**h)
    if s % 2 == 1:
        u = 2 * u
    return sign(x) * (t + (1 if q > u else 0))


def bit_length(x: int) -> int:
    bits = 0
    x = abs(x)
    while x:
        bits, x = bits + 1, x // 2
    return bits


def flat(tensor: Tensor) -> list[int]:
    return [x for part in tensor for x in flat(part)] if isinstance(tensor, list) else [tensor]


def over(function: Any, *tensors: Tensor) -> Tensor:
    """`function` on the elements of nested lists of one shape."""
    if isinstance(tensors[0], list):
        return [over(function, *parts) for parts in zip(*tensors, strict=True)]
    return function(*tensors)


def like(values: list[int], tensor: Tensor) -> Tensor:
    """`values` in the nesting of `tensor`."""
    supply = iter(values)
    return over(lambda _: next(supply), tensor)


def dynamic_shift(acc: Tensor) -> int:
    return max(0, bit_length(max(abs(x) for x in flat(acc))) - 7)


# -- forward ----------------------------------------------------------------------------------------------------------


def conv_terms(layer: Layer, height: int, width: int) -> list[tuple[int, int, int, int, int, int]]:
    """(output y, x, kernel y, x, input y, x) of every product that does not fall into the padding."""
    _, kh, kw, stride, (above, before), _ = layer
    terms = []
    for y in range((height + 2 * above - kh) // stride + 1):
        for x in range((width + 2 * before - kw) // stride + 1):
            for i in range(kh):
                for j in range(kw):
                    v, u = y * stride + i - above, x * stride + j - before
                    if 0 <= v < height and 0 <= u < width:
                        terms.append((y, x, i, j, v, u))
    return terms


def first_value(bias: int, s: int) -> int:
    """A bias in the accumulators' last place, which is 2^s of its own."""
    value = round_shift(bias, s) if s > 0 else bias * 2**-s
    return max(-(2**29) + 1, min(2**29 - 1, value))


def with_first(acc: Tensor, first: list[int]) -> Tensor:
    """Accumulators [out] or [y][x][out] that began with `first`."""
    if isinstance(acc[0], list):
        return [with_first(part, first) for part in acc]
    return [x + b for x, b in zip(acc, first, strict=True)]


def multiply(layer: Layer, weights: Tensor, a: Tensor) -> Tensor:
    """The accumulators."""
    if layer[0] == "dense":
        values = flat(a)
        return [sum(w * x for w, x in zip(row, values, strict=True)) for row in weights]
    _, kh, kw, stride, (above, before), _ = layer
    rows, columns = (len(a) + 2 * above - kh) // stride + 1, (len(a[0]) + 2 * before - kw) // stride + 1
    acc = [[[0] * len(weights) for _ in range(columns)] for _ in range(rows)]
    for y, x, i, j, v, u in conv_terms(layer, len(a), len(a[0])):
        for o in range(len(weights)):
            if layer[0] == "depthwise":
                acc[y][x][o] += weights[o][i][j] * a[v][u][o]
                continue
            for c in range(len(a[0][0])):
                acc[y][x][o] += weights[o][i][j][c] * a[v][u][c]
    return acc


def windows_of(pool: Layer, a: Tensor) -> list[tuple[int, int, list[tuple[int, int]]]]:
    """(y, x) of every output of a pool (kind, height, width), and the places that it is made of."""
    _, h, w = pool
    at = [(y, x) for y in range(len(a) // h) for x in range(len(a[0]) // w)]
    return [(y, x, [(h * y + i, w * x + j) for i in range(h) for j in range(w)]) for y, x in at]


def pool_forward(pool: Layer, a: Tensor) -> tuple[Tensor, Tensor]:
    """The outputs, and of maxima the positions of the first ones (None of means)."""
    kind, h, w = pool
    values = [[[0] * len(a[0][0]) for _ in range(len(a[0]) // w)] for _ in range(len(a) // h)]
    where = over(lambda _: 0, values) if kind == "max" else None
    for y, x, places in windows_of(pool, a):
        for c in range(len(a[0][0])):
            window = [a[v][u][c] for v, u in places]
            if kind == "max":
                values[y][x][c] = max(window)
                where[y][x][c] = window.index(max(window))
            else:
                values[y][x][c] = min(127, round_shift(sum(window) * nearest(2**16, h * w), 16))
    return values, where


def nearest(dividend: int, divisor: int) -> int:
    whole, rest = divmod(dividend, divisor)
    return whole + (2 * rest >= divisor)


def mean_fall(layer: Layer) -> int:
    """By how much the exponent of an error falls on its way through a mean."""
    if layer[0] == "dense" or not layer[5] or layer[5][0] == "max":
        return 0
    return bit_length(layer[5][1] * layer[5][2]) - 1


def loss(logits: list[int], exponent: int, label: int) -> list[int]:
    exponent = max(-15, min(7, exponent))
    z = [o * 47274 // 2 ** (15 - exponent) for o in logits]
    top = max(z)
    n = [2 ** max(0, value - (top - 10)) - 1 for value in z]
    g = [value * 2048 // sum(n) for value in n]
    g[label] -= sum(g)
    return [sat(psto_shift(value, 4)) for value in g]


# -- backward ---------------------------------------------------------------------------------------------------------


def add(a: Tensor, ea: int, b: Tensor, eb: int) -> tuple[Tensor, int]:
    """The sum of two tensors with exponents, in the coarser of the two."""
    e = max(ea, eb)
    return over(lambda x, y: sat(round_shift(x, e - ea) + round_shift(y, e - eb)), a, b), e


def pool_back(layer: Layer, error: Tensor, where: Tensor, raw: Tensor) -> Tensor:
    """The error in front of a pool: at the maxima, or everywhere in the window."""
    if layer[0] == "dense" or not layer[5]:
        return error
    full = over(lambda _: 0, raw)
    for y, x, places in windows_of(layer[5], raw):
        for c, e in enumerate(error[y][x]):
            if where is not None:
                v, u = places[where[y][x][c]]
                full[v][u][c] = e
                continue
            for v, u in places:
                full[v][u][c] = round_shift(e * nearest(2 ** (8 + mean_fall(layer)), len(places)), 8)
    return full


def multiply_back(layer: Layer, weights: Tensor, error: Tensor, a: Tensor) -> Tensor:
    """Accumulators of the error at the layer's input, in the nesting of its input a."""
    if layer[0] == "dense":
        count = len(flat(a))
        return like([sum(weights[o][i] * error[o] for o in range(len(error))) for i in range(count)], a)
    acc = over(lambda _: 0, a)
    for y, x, i, j, v, u in conv_terms(layer, len(a), len(a[0])):
        for o in range(len(weights)):
            if layer[0] == "depthwise":
                acc[v][u][o] += weights[o][i][j] * error[y][x][o]
                continue
            for c in range(len(a[0][0])):
                acc[v][u][c] += weights[o][i][j][c] * error[y][x][o]
    return acc


def weight_gradient(layer: Layer, weights: Tensor, error: Tensor, a: Tensor) -> Tensor:
    if layer[0] == "dense":
        return [[e * x for x in flat(a)] for e in error]
    g = over(lambda _: 0, weights)
    for y, x, i, j, v, u in conv_terms(layer, len(a), len(a[0])):
        for o in range(len(weights)):
            if layer[0] == "depthwise":
                g[o][i][j] += error[y][x][o] * a[v][u][o]
                continue
            for c in range(len(a[0][0])):
                g[o][i][j][c] += error[y][x][o] * a[v][u][c]
    return g


# -- storage and masks ------------------------------------------------------------------------------------------------


def storage_index(o: int, i: int, n_in: int) -> int:
    """Byte index of the edge from input i to output o."""
    words = (n_in + 3) // 4
    byte = {2: 0, 3: 1, 0: 2, 1: 3}[i % 4]
    return ((o // 4) * words + i // 4) * 16 + (o % 4) * 4 + byte


def layer_storage(weights: Tensor) -> list[int]:
    """Storage indices of all edges of a layer in logical order."""
    n_in = len(flat(weights[0]))
    return [storage_index(o, i, n_in) for o in range(len(weights)) for i in range(n_in)]


def top_k(scores: list[int], k: int, storage: list[int]) -> list[bool]:
    ranked = sorted(range(len(scores)), key=lambda edge: (-scores[edge], storage[edge]))
    return [edge in set(ranked[:k]) for edge in range(len(scores))]


def cut_of(scores: list[int], options: dict[str, Any]) -> tuple[int, int]:
    """The score above which edges stay, and how many of those equal to it stay, too."""
    if options["theta"] is not None:
        return options["theta"] - 1, 0
    k = round(options["keep"] * len(scores))
    if k == 0:
        return 127, 0
    cut = sorted(scores, reverse=True)[k - 1]
    return cut, k - sum(s > cut for s in scores)


def masks_of(scores: Tensor, weights: Tensor, scored: list[int] | None, cut: tuple[int, int]) -> Tensor:
    """Which edges of a layer stay, in the nesting of its weights."""
    values, storage = flat(scores), layer_storage(weights)
    if scored is None:
        scored = list(range(len(storage)))
    mask, ties = [True] * len(storage), cut[1]
    for n in sorted(range(len(scored)), key=lambda n: storage[scored[n]]):
        equal = values[n] == cut[0] and ties > 0
        ties -= equal
        mask[scored[n]] = values[n] > cut[0] or equal
    return like(mask, weights)


# -- zeroth order -----------------------------------------------------------------------------------------------------


def mix(x: int) -> int:
    """The finaliser of MurmurHash3."""
    x ^= x >> 16
    x = x * 0x85EBCA6B % 2**32
    x ^= x >> 13
    x = x * 0xC2B2AE35 % 2**32
    return x ^ x >> 16


def draws(layer: int, key: int, r: int, sparsity: int, weights: Tensor) -> Tensor:
    """z in the nesting of a layer's weights."""
    n_in, number, z = len(flat(weights[0])), layer * 2**24, []
    for _ in weights:
        row = [0] * n_in
        for start in range(0, n_in, 2**sparsity):
            d = mix((key + number * 0x9E3779B9) % 2**32)
            number += 1
            if (i := start + d % 2**sparsity) < n_in:
                row[i] = d // 2**16 * (2 * r + 1) // 2**16 - r
        z += row
    return like(z, weights)


def loss_value(logits: list[int], exponent: int, label: int) -> int:
    """Cross-entropy in bits, times 2^12."""
    exponent = max(-15, min(7, exponent))
    z = [o * 47274 * 2 ** (exponent + 15) // 2**18 for o in logits]
    total = 0
    for value in z:
        whole, part = divmod(value - max(z), 2**12)
        total += (2**12 + part) * 2**4 // 2**-whole
    bits = bit_length(total) - 1
    return 2**12 * (bits - 16) + total // 2 ** (bits - 12) - 2**12 + max(z) - z[label]


def explored(
    layers: list[Layer],
    weights: list[Tensor],
    learned: list[Tensor],
    front: range,
    image: Tensor,
    label: int,
    o: dict[str, Any],
) -> list[Tensor]:
    """What the layers have learned after those in front moved to where the loss is smaller."""
    if not front:
        return learned
    key = mix((mix(o["seed"]) + (o["done"] + 1) * 0x9E3779B9) % 2**32)
    z = {i: draws(i, key, o["r"], o["sparsity"], learned[i]) for i in front}
    slower = min(o["done"] // o["cool"], 8) if o["cool"] else 0
    b = bit_length(o["r"]) - (o["mu"] - slower) + o["front_shift"]
    used = [w if i < o["first"] else x for i, (w, x) in enumerate(zip(weights, learned, strict=True))]
    losses = []
    for g in (1, -1):
        tried = [over(lambda w, x, g=g: sat(w + g * x), w, z[i]) if i in z else w for i, w in enumerate(used)]
        only_forward = o | {"method": "niti-static", "first": len(layers)}
        found = step(layers, tried, [[]] * len(layers), [None] * len(layers), image, label, only_forward)
        losses.append(loss_value(found["activations"][-1], found["exponents"][-1], label))
    g = sign(losses[0] - losses[1])
    moved = {i: over(lambda w, x: sat(w - psto_shift(g * x, b)), learned[i], z[i]) for i in front}
    return [moved.get(i, x) for i, x in enumerate(learned)]


# -- the methods ------------------------------------------------------------------------------------------------------


def method_of(i: int, o: dict[str, Any]) -> str:
    """By which method layer i learns."""
    if o["method"] == "priot-s-head":
        return "niti-static" if i == len(o["weight_exponents"]) - 1 else "priot-s"
    return str(o["method"])


def update(i: int, g: Tensor, learned: Tensor, weights: Tensor, exponent: int, o: dict[str, Any]) -> Tensor:
    """What layer i has learned after seeing its gradient; `weights` are the backbone's."""
    method = method_of(i, o)
    slower = min(o["done"] // o["cool"], 8) if o["cool"] else 0
    r = min(o["update"][i] + slower, 24) if o["update"] else None
    if method in ("niti-static", "niti-partial", "bias-last"):
        return over(lambda w, x: sat(w - psto_shift(x, r)), learned, g)
    if method == "niti-dynamic":
        s = bit_length(max(abs(x) for x in flat(g))) - (o["mu"] - slower)
        return over(lambda w, x: sat(w - psto_shift(x, s)), learned, g)
    if method == "tin-tin":
        s = o["weight_exponents"][i] - 8 + o["rate"] + slower - exponent
        moved = over(lambda w, x: w - (0 if s > 31 else psto_shift(x, s) if s >= 0 else x * 2**-s), learned, g)
        return over(lambda w: max(-127 * 256, min(127 * 256, w)), moved)
    if method == "priot-s":
        w, x = flat(weights), flat(g)
        pairs = zip(learned, o["scored"][i], strict=True)
        return [sat(s - round_shift(w[edge] * x[edge], r)) for s, edge in pairs]
    return over(lambda s, w, x: sat(s - round_shift(w * x, r)), learned, weights, g)


def some_channels(error: Tensor, wrong: int, o: dict[str, Any]) -> Tensor:
    """An error [y][x][channel] or [channel] with zeros but for the channels of the largest magnitudes."""
    pixels = [pixel for row in error for pixel in row] if isinstance(error[0], list) else [error]
    n = len(pixels[0])
    sums = [sum(abs(pixel[c]) for pixel in pixels) for c in range(n)]
    count = 0
    while 100 * 127 * count < n * (127 * o["lo"] + (o["hi"] - o["lo"]) * wrong):
        count += 1
    best = set(sorted(range(n), key=lambda c: (-sums[c], c))[:count])
    return like([e if c in best else 0 for pixel in pixels for c, e in enumerate(pixel)], error)


def bias_update(i: int, error: Tensor, learned: list[int], exponent: int, o: dict[str, Any]) -> list[int]:
    """The first values of layer i, whose inputs have `exponent`, after the error behind its pool."""
    slower = min(o["done"] // o["cool"], 8) if o["cool"] else 0
    r, finer = min(o["bias_update"][i] + slower, 24), exponent - o["image_exponent"]
    unit = 2 ** max(-r, -finer, 0)
    limit = (2**29 - 1) // 2**finer if finer >= 0 else (2**29 - 1) // 2**-finer * 2**-finer
    positions = [pixel for row in error for pixel in row] if isinstance(error[0], list) else [error]
    after = []
    for c, b in enumerate(learned):
        total = sum(pixel[c] for pixel in positions)
        step = round_shift(total, r + bit_length(unit) - 1) * unit
        after.append(max(-limit, min(limit, b - max(-limit, min(limit, step)))))
    return after


def cuts_of(learned: list[Tensor], o: dict[str, Any]) -> list[tuple[int, int] | None]:
    """The cut of every layer that is pruned."""
    pruned = [method_of(i, o).startswith("priot") and i >= o["first"] for i in range(len(learned))]
    return [cut_of(flat(s), o) if is_pruned else None for s, is_pruned in zip(learned, pruned, strict=True)]


def effective(weights: list[Tensor], learned: list[Tensor], cuts: list[Any], o: dict[str, Any]) -> list[Tensor]:
    """The weights that are multiplied by; those of layers below `first` are the backbone's."""
    used = []
    for i, (backbone, values) in enumerate(zip(weights, learned, strict=True)):
        if i < o["first"] or o["method"] == "bias-last":
            used.append(backbone)
        elif method_of(i, o) in ("niti-static", "niti-partial", "niti-dynamic"):
            used.append(values)
        elif method_of(i, o) == "tin-tin":
            used.append(over(lambda w: sat(round_shift(w, 8)), values))
        else:
            mask = masks_of(values, backbone, o["scored"] and o["scored"][i], cuts[i])
            used.append(over(lambda w, stays: w if stays else 0, backbone, mask))
    return used


def step(
    layers: list[Layer],
    weights: list[Tensor],
    learned: list[Tensor],
    cuts: list[Any],
    image: Tensor,
    label: int,
    o: dict[str, Any],
) -> dict[str, Any]:
    """One training step. `o`: method, image_exponent, weight_exponents, biases (() or one list a layer), forward,
    backward, update, mu, rate, keep, theta (None: top-k), scored (None, or the scored edges of every layer), first (the
    lowest layer that learns; below it learned, errors and gradients are empty), cool, refresh, done (steps before this
    one), added (of each layer the one that reads what is added to it, or None), of niti-partial lo and hi, of zo-int8
    back, r, sparsity, front_shift and seed, of bias-last bias_update. Returns every tensor by name. Of bias-last the
    biases are what is learned, and `weights` are those of now."""
    if o["method"] == "zo-int8":
        behind = max(o["first"], len(layers) - o["back"])
        learned = explored(layers, weights, learned, range(o["first"], behind), image, label, o)
        fixed = [learned[i] if o["first"] <= i < behind else w for i, w in enumerate(weights)]
        found = step(layers, fixed, learned, cuts, image, label, o | {"method": "niti-static", "first": behind})
        return found | {"learned": learned[:behind] + found["learned"][behind:]}
    dynamic = o["method"] in ("niti-dynamic", "tin-tin")
    used, last = effective(weights, learned, cuts, o), len(layers) - 1
    inputs, raws, wheres, accs = [image], [], [], []
    exponents = [o["image_exponent"]]
    for i, layer in enumerate(layers):
        acc = multiply(layer, used[i], inputs[-1])
        if o["method"] == "bias-last" and i >= o["first"]:
            acc = with_first(acc, learned[i])
        elif o["biases"] and o["biases"][i]:
            acc = with_first(acc, [first_value(b, exponents[-1] - o["image_exponent"]) for b in o["biases"][i]])
        p = dynamic_shift(acc) if dynamic else o["forward"][i]
        raw = over(lambda x, p=p: sat(round_shift(x, p)), acc)
        exponent = exponents[-1] + o["weight_exponents"][i] + p
        if o["added"][i] is not None:
            raw, exponent = add(raw, exponent, inputs[o["added"][i]], exponents[o["added"][i]])
        if i < last:
            raw = over(lambda x: max(x, 0), raw)
        out, where = pool_forward(layer[5], raw) if layer[0] != "dense" and layer[5] else (raw, None)
        accs.append(acc), raws.append(raw), wheres.append(where), inputs.append(out)
        exponents.append(exponent)

    error, e_exponent = loss(inputs[-1], exponents[-1], label), -7
    errors, gradients, after, raw_errors = [error], [], [], {}
    for i in range(last, o["first"] - 1, -1):
        raw, e_exponent = pool_back(layers[i], error, wheres[i], raws[i]), e_exponent - mean_fall(layers[i])
        is_biased = o["method"] == "bias-last"
        if is_biased:
            after.insert(0, bias_update(i, error, learned[i], exponents[i], o))
        if not is_biased or i == last:
            learned_from = some_channels(raw, -errors[-1][label], o) if o["method"] == "niti-partial" else raw
            g = weight_gradient(layers[i], used[i], learned_from, inputs[i])
            gradients.insert(0, g)
            moved = update(i, g, weights[i] if is_biased else learned[i], weights[i], e_exponent + exponents[i], o)
        if not is_biased:
            after.insert(0, moved)
        elif i == last:
            weights = [*weights[:last], moved]
        raw_errors[i] = raw, e_exponent
        if i > o["first"]:
            acc = multiply_back(layers[i], used[i], raw, inputs[i])
            q = dynamic_shift(acc) if dynamic else o["backward"][i]
            error = over(lambda x, a, q=q: sat(round_shift(x, q)) if a > 0 else 0, acc, inputs[i])
            e_exponent += o["weight_exponents"][i] + q
            for j in range(last, i - 1, -1):
                if o["added"][j] == i:
                    error, e_exponent = add(error, e_exponent, *raw_errors[j])
                    error = over(lambda x, a: x if a > 0 else 0, error, inputs[i])
            errors.insert(0, error)
    if (o["done"] + 1) % o["refresh"] == 0:
        cuts = cuts_of(learned[: o["first"]] + after, o)
    errors, gradients, after = ([[]] * (last + 1 - len(found)) + found for found in (errors, gradients, after))
    return {
        "weights": used,
        "accumulators": accs,
        "raw": raws,
        "activations": inputs[1:],
        "argmax": wheres,
        "exponents": exponents[1:],
        "errors": errors,
        "gradients": gradients,
        "learned": after,
        "cuts": cuts,
        "next": effective(weights, after, cuts, o),
    }
