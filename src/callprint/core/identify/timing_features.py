"""Features of sizes, timestamps and arrival: how a stack cuts and paces its media. Compiled.

Arrival is compared with the sender's own clock (the RTP timestamps), so a constant network delay changes nothing.
Loss and jitter do: training sees calls that were damaged on purpose.
"""

import numpy as np

from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, compiled_allocating
from callprint.core.identify.evidence_tables import MAXIMUM_RTP, Integer, signed16, signed32

INCREMENT = np.dtype([("growth", np.int64), ("count", np.int64)], align=True)
"""A timestamp step and how many packets in sequence made it."""


@compiled_allocating
def count_increments(rtp: Array, packets: Integer, increments: Array) -> Integer:
    """List the distinct timestamp steps between packets in sequence, in order of appearance; return how many.

    increments: (MAXIMUM_RTP,) INCREMENT.
    """
    distinct = 0
    for i in range(1, packets):
        if signed16(rtp[i].sequence - rtp[i - 1].sequence) != 1:
            continue
        growth = signed32(rtp[i].timestamp - rtp[i - 1].timestamp)
        for j in range(distinct):
            if increments[j].growth == growth:
                increments[j].count += 1
                break
        else:
            increments[distinct].growth = growth
            increments[distinct].count = 1
            distinct += 1
    return distinct


@compiled_allocating
def usual_increment(increments: Array) -> tuple[Integer, Integer]:
    """Return the most frequent positive step, the smallest of several, and its count; both 0 when there is none."""
    growth = np.int64(0)
    count = np.int64(0)
    for j in range(len(increments)):
        found = increments[j]
        if found.growth > 0 and (found.count > count or (found.count == count and found.growth < growth)):
            growth = found.growth
            count = found.count
    return growth, count


@compiled_allocating
def clock_rate(rtp: Array, packets: Integer, increment: Integer) -> tuple[float, float]:
    """Return the nearest usual clock rate in Hz, and the measured rate divided by it."""
    kind = rtp[0].payload_type
    elapsed = (rtp[packets - 1].time_ns - rtp[0].time_ns) / 1e9
    growth = float(signed32(rtp[packets - 1].timestamp - rtp[0].timestamp))
    measured = growth / elapsed if elapsed > 0.0 and growth > 0.0 else 0.0
    if kind < 20:
        return 8000.0, measured / 8000.0
    # A short burst says little about the clock, so the step counts as well: 10 to 60 ms are usual.
    best = 8000.0
    best_error = 1e9
    for rate in (8000.0, 16000.0, 48000.0):
        duration_ms = increment / rate * 1000.0
        prior = 0.0 if 9.0 <= duration_ms <= 61.0 else 1.5
        error = prior + (abs(np.log(measured / rate)) if measured > 0.0 else 0.0)
        if error < best_error:
            best_error = error
            best = rate
    return best, measured / best


@compiled_allocating
def write_timestamps(
    rtp: Array,
    packets: Integer,
    increments: Array,
    increment: Integer,
    increment_count: Integer,
    rate: float,
    rate_ratio: float,
    row: Row,
) -> None:
    """Fill the group `timestamps`: how the media clock advances."""
    row.packets_log2 = np.log2(packets + 1.0)
    if packets < 2:
        return
    row.rate_8000 = rate == 8000.0
    row.rate_16000 = rate == 16000.0
    row.rate_48000 = rate == 48000.0
    row.rate_other = rate_ratio < 0.5 or rate_ratio > 2.0
    row.rate_error = min(max(rate_ratio, 0.0), 4.0)
    row.packet_duration_ms = min(increment / rate * 1000.0, 200.0)
    in_sequence = 0
    lost = 0
    for i in range(1, packets):
        steps = signed16(rtp[i].sequence - rtp[i - 1].sequence)
        if 1 < steps < 100:
            lost += steps - 1
        if steps != 1:
            continue
        in_sequence += 1
        growth = signed32(rtp[i].timestamp - rtp[i - 1].timestamp)
        if growth == 0:
            row.increment_zero_fraction += 1
        elif growth < 0:
            row.increment_backward_fraction += 1
        elif growth > increment + increment // 2:
            row.increment_jump_fraction += 1
            row.increment_jump_log2 = max(row.increment_jump_log2, np.log2(growth / increment))
    if in_sequence:
        row.increment_fraction = increment_count / in_sequence
        row.increments_distinct = np.log2(1.0 + len(increments))
        row.increment_zero_fraction /= in_sequence
        row.increment_jump_fraction /= in_sequence
        row.increment_backward_fraction /= in_sequence
        second_growth = np.int64(0)
        second_count = np.int64(0)
        for j in range(len(increments)):
            if increments[j].growth != increment and increments[j].count > second_count:
                second_growth = increments[j].growth
                second_count = increments[j].count
        if second_count and increment > 0:
            row.increment_second_ratio = min(max(second_growth / increment, -1.0), 8.0)
            row.increment_second_fraction = second_count / in_sequence
    row.loss_fraction = lost / (packets + lost)


@compiled_allocating
def write_sizes(rtp: Array, packets: Integer, increment: Integer, row: Row) -> None:
    """Fill the group `sizes`: how long the payloads are."""
    if packets == 0:
        return
    # By the low byte: whole packets have no other, and of longer ones in one flow few share it.
    counts = np.zeros(256, np.int64)
    total = 0.0
    squares = 0.0
    smallest = rtp[0].payload_length
    largest = rtp[0].payload_length
    padded = 0
    padded_total = 0.0
    for i in range(packets):
        size = rtp[i].payload_length
        counts[size & 255] += 1
        total += size
        squares += float(size) * size
        smallest = min(smallest, size)
        largest = max(largest, size)
        if rtp[i].first_byte & 32:
            padded += 1
            padded_total += size
        row.payload_multiple_of_4 += (size & 3) == 0
    usual_low = np.argmax(counts)
    i = 0
    while rtp[i].payload_length & 255 != usual_low:
        i += 1
    usual = rtp[i].payload_length
    mean = total / packets
    row.payload_first = rtp[0].payload_length
    row.payload_usual = usual
    row.payload_usual_fraction = counts[usual_low] / packets
    row.payload_minimum = smallest
    row.payload_maximum = largest
    row.payload_mean = mean
    row.payload_deviation = np.sqrt(max(0.0, squares / packets - mean * mean))
    row.payload_distinct = np.log2(1.0 + np.count_nonzero(counts))
    for i in range(1, packets):
        step = abs(rtp[i].payload_length - rtp[i - 1].payload_length)
        row.payload_step_mean += step
        row.payload_step_zero += step == 0
    if packets > 1:
        row.payload_step_mean /= packets - 1
        row.payload_step_zero /= packets - 1
    kind = rtp[packets // 2].payload_type
    need = np.int64(-1)
    if kind in (0, 8, 9):
        need = increment  # 8 bits for each 1/8000 s
    elif kind == 3:
        need = increment * 33 // 160
    elif kind == 18:
        need = increment // 8
    if need > 0:
        row.payload_excess = min(max(float(usual - need), -64.0), 64.0)
    if padded:
        row.padded_payload_mean = padded_total / padded
    elapsed = (rtp[packets - 1].time_ns - rtp[0].time_ns) / 1e9
    if elapsed > 0.0:
        row.rate_kbits = min(total * 8.0 / 1000.0 / elapsed, 500.0)
    row.payload_multiple_of_4 /= packets


@compiled_allocating
def _ordered(values: Array) -> Array:
    """Return finite values sorted, by counting the smaller ones of each: for a hundred, faster than branches."""
    count = len(values)
    ordered = np.full_like(values, np.inf)
    i = 0
    while i + 4 <= count:  # four at a time, which share what they read
        a, b, c, d = values[i], values[i + 1], values[i + 2], values[i + 3]
        below_a = below_b = below_c = below_d = np.int64(0)
        for j in range(count):
            below_a += np.int64(values[j] < a)
            below_b += np.int64(values[j] < b)
            below_c += np.int64(values[j] < c)
            below_d += np.int64(values[j] < d)
        ordered[below_a], ordered[below_b], ordered[below_c], ordered[below_d] = a, b, c, d
        i += 4
    while i < count:
        below = np.int64(0)
        for j in range(count):
            below += np.int64(values[j] < values[i])
        ordered[below] = values[i]
        i += 1
    for i in range(1, len(values)):
        if ordered[i] == np.inf:  # equal values share one position
            ordered[i] = ordered[i - 1]
    return ordered


@compiled_allocating
def _quantile(values: Array, count: Integer, fraction: float) -> float:
    """Return the value at `fraction` of the first `count` (at least one) sorted values: nearest rank."""
    return float(values[min(count - 1, int(fraction * count))])


@compiled_allocating
def _mean(values: Array, count: Integer) -> float:
    """Return the mean of the first `count` values (at least one), added up in their order."""
    mean = 0.0
    for i in range(count):
        mean += values[i]
    return float(mean / count)


@compiled_allocating
def _squares_and_products(values: Array, count: Integer, mean: float) -> tuple[float, float, float, float]:
    """Return the sum of squares around the mean, and that of products with the value 1, 2 and 3 places before."""
    squares = 0.0
    product_1 = 0.0
    product_2 = 0.0
    product_3 = 0.0
    for i in range(count):
        squares += (values[i] - mean) ** 2
        if i >= 1:
            product_1 += (values[i] - mean) * (values[i - 1] - mean)
        if i >= 2:
            product_2 += (values[i] - mean) * (values[i - 2] - mean)
        if i >= 3:
            product_3 += (values[i] - mean) * (values[i - 3] - mean)
    return squares, product_1, product_2, product_3


@compiled_allocating
def write_arrival(rtp: Array, packets: Integer, increment: Integer, rate: float, row: Row) -> None:
    """Fill the group `arrival`: when packets came, in units of the duration that each one carries."""
    if packets < 2 or increment <= 0:
        return
    duration_ms = increment / rate * 1000.0
    gaps = np.zeros(MAXIMUM_RTP, np.float64)  # over the expected gap
    errors = np.zeros(MAXIMUM_RTP, np.float64)  # ms
    residuals = np.zeros(packets, np.float64)  # ms
    count = 0
    burst = 0
    whole = 0
    slope_xy = 0.0
    slope_xx = 0.0
    for i in range(1, packets):
        steps = signed16(rtp[i].sequence - rtp[i - 1].sequence)
        growth_ms = signed32(rtp[i].timestamp - rtp[i - 1].timestamp) / rate * 1000.0
        gap_ms = (rtp[i].time_ns - rtp[i - 1].time_ns) / 1e6
        residuals[i] = residuals[i - 1] + min(max(gap_ms - growth_ms, -500.0), 500.0)
        if steps != 1:
            continue
        ratio = min(max(gap_ms / duration_ms, 0.0), 8.0)
        gaps[count] = ratio
        errors[count] = min(max(gap_ms - growth_ms, -200.0), 200.0)
        if ratio < 0.1:
            row.gap_burst_fraction += 1
            burst += 1
            row.burst_longest = max(row.burst_longest, burst)
        else:
            burst = 0
        row.gap_late_fraction += ratio > 1.5
        row.gap_near_fraction += abs(ratio - 1.0) < 0.05
        row.gap_very_near_fraction += abs(ratio - 1.0) < 0.01
        whole += gap_ms > 1.0 and abs(gap_ms - np.round(gap_ms)) < 0.1
        count += 1
    if count == 0:
        return
    row.gap_first = gaps[0]
    row.gap_second = gaps[1] if count > 1 else 0.0
    squares, product_1, product_2, product_3 = _squares_and_products(errors, count, _mean(errors, count))
    if squares > 1e-9:  # autocorrelation, of three pairs or more
        row.gap_correlation_1 = product_1 / squares if count >= 4 else 0.0
        row.gap_correlation_2 = product_2 / squares if count >= 5 else 0.0
        row.gap_correlation_3 = product_3 / squares if count >= 6 else 0.0
    row.gap_deviation_ms = np.log1p(np.sqrt(squares / count))
    ordered = _ordered(gaps[:count])
    row.gap_10 = _quantile(ordered, count, 0.1)
    row.gap_25 = _quantile(ordered, count, 0.25)
    row.gap_50 = _quantile(ordered, count, 0.5)
    row.gap_75 = _quantile(ordered, count, 0.75)
    row.gap_90 = _quantile(ordered, count, 0.9)
    row.gap_minimum = ordered[0]
    row.gap_maximum = np.log1p(ordered[count - 1])
    absolute = _ordered(np.abs(errors[:count]))
    row.gap_error_50_ms = np.log1p(absolute[count // 2])
    row.gap_burst_fraction /= count
    row.gap_late_fraction /= count
    row.gap_near_fraction /= count
    row.gap_very_near_fraction /= count
    row.burst_longest = np.log1p(row.burst_longest)
    middle = (rtp[packets - 1].time_ns - rtp[0].time_ns) / 2e9
    residual_mean = np.mean(residuals)
    for i in range(packets):
        x = (rtp[i].time_ns - rtp[0].time_ns) / 1e9 - middle
        slope_xy += x * (residuals[i] - residual_mean)
        slope_xx += x * x
    residuals -= np.min(residuals)
    ordered_residuals = _ordered(residuals)
    row.residual_deviation_ms = np.log1p(np.std(residuals))
    row.residual_50_ms = np.log1p(_quantile(ordered_residuals, packets, 0.5))
    row.residual_90_ms = np.log1p(_quantile(ordered_residuals, packets, 0.9))
    if slope_xx > 1e-9:
        slope = slope_xy / slope_xx
        row.residual_slope = np.sign(slope) * np.log1p(abs(slope))
    row.gap_whole_ms_fraction = whole / count
