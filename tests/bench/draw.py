"""A scaling curve as SVG: both axes are logarithmic, so what grows like n is a line of 45 degrees."""
import html
import math

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560, 360, 70, 120, 40, 45


def decades(values):
    """The powers of ten around these values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return range(low, max(high, low + 1) + 1)


def words(exponent):
    """10 to this power, as people write it."""
    return f"{10**exponent:,}" if exponent >= 0 else f"{10.0**exponent:.{-exponent}f}"


def curve(title, points, floor_points=None):
    """points and floor_points are (rows, cost); beside them n log n from the first point on."""
    first_n, first = points[0]
    growth = [(n, first * n * math.log(n) / (first_n * math.log(first_n))) for n, _ in points]
    lines = [("n log n", "#999", "4 4", growth), ("disco", "#06c", "", points)]
    if floor_points:
        lines.insert(1, ("floor", "#c60", "", floor_points))
    across = decades([n for n, _ in points])
    up = decades([cost for _, _, _, line in lines for _, cost in line if cost > 0])

    def place(n, cost):
        x = (math.log10(n) - across[0]) / (across[-1] - across[0])
        y = (math.log10(cost) - up[0]) / (up[-1] - up[0])
        return (LEFT + x * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM))

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           'font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
           f'<text x="{LEFT}" y="22" font-size="14">{html.escape(title)}</text>']
    for e in across:
        x, _ = place(10**e, 10.0 ** up[0])
        out.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#eee"/>'
                   f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{words(e)}</text>')
    for e in up:
        _, y = place(10 ** across[0], 10.0**e)
        out.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#eee"/>'
                   f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{words(e)}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">rows</text>')
    for name, colour, dash, line in lines:
        places = [place(n, cost) for n, cost in line if cost > 0]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        out.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2" '
                   f'stroke-dasharray="{dash}"/>')
        if not dash:
            out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        out.append(f'<text x="{places[-1][0] + 8:.1f}" y="{places[-1][1] + 4:.1f}" fill="{colour}">{name}</text>')
    return "\n".join(out + ["</svg>"]) + "\n"
