/* One row of the axis is a round amount, the smallest with which all rows fit. A cell is filled in
 * eighths of a row, and never quite empty or quite full unless its amount is: what looks like
 * nothing is nothing.
 *
 *     4000 ┤█▅▅▅
 *     2000 ┤████▅▁▁
 *        0 ┼────────────
 *    -2000 ┤       ▀▀▀▔▔
 */
#include "client/chart.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "client/memory.h"
#include "client/text.h"

enum {
    MAX_ROWS = 12,
    FULL = 8, /* eighths of a cell */
    HALF = 4,
    NAME_GAP = 2,     /* blanks between the two instants */
    MAX_WIDTH = 1000, /* no eye follows a wider one */
};

struct frame {
    amount unit; /* one row */
    int above;   /* rows on either side of zero */
    int below;
    size_t label_width;
    size_t columns;
};

static int rows_of(amount magnitude, amount unit)
{
    amount rows = magnitude / unit + (magnitude % unit != 0);
    return rows > MAX_ROWS ? MAX_ROWS + 1 : (int)rows;
}

/* 1, 2, 5, 10, 20, 50, …, in the smallest fraction that amounts have. */
static void choose_unit(struct frame *frame, amount highest, amount lowest)
{
    static const int steps[] = {1, 2, 5};
    for (amount decade = 1;; decade *= 10) {
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
            frame->unit = steps[i] * decade;
            frame->above = rows_of(highest, frame->unit);
            frame->below = rows_of(-lowest, frame->unit);
            if (frame->above + frame->below <= MAX_ROWS)
                return;
        }
    }
}

/* Empty where a round number has one digit more than an amount may have. */
static struct amount_text label_of(const struct frame *frame, int row)
{
    amount value = row * frame->unit;
    return amount_in_range(value) ? amount_format(value) : (struct amount_text){""};
}

static struct frame make_frame(const struct chart *chart)
{
    struct frame frame = {0};
    amount highest = 0;
    amount lowest = 0;
    for (size_t i = 0; i < chart->count; i++) {
        amount value = chart->points[i].value;
        highest = value > highest ? value : highest;
        lowest = value < lowest ? value : lowest;
    }
    choose_unit(&frame, highest, lowest);
    for (int row = -frame.below; row <= frame.above; row++) {
        size_t width = strlen(label_of(&frame, row).text);
        frame.label_width = width > frame.label_width ? width : frame.label_width;
    }
    if (chart->count == 1) {
        frame.columns = 1;
        return frame;
    }
    size_t margin = frame.label_width + strlen(" |");
    size_t least = strlen(chart->from) + NAME_GAP + strlen(chart->to);
    size_t width = chart->width < MAX_WIDTH ? chart->width : MAX_WIDTH;
    frame.columns = width > margin + least ? width - margin : least;
    return frame;
}

/* The amount at the instant of each column; the caller frees them. */
static amount *sample(const struct chart *chart, size_t columns)
{
    amount *values = memory_get(columns * sizeof *values);
    const struct chart_point *points = chart->points;
    int64_t first = points[0].at;
    int64_t span = points[chart->count - 1].at - first;
    int64_t gaps = columns > 1 ? (int64_t)columns - 1 : 1;
    size_t at = 0;
    for (size_t i = 0; i < columns; i++) {
        /* span * i / gaps, where the product may have more than 64 bits. */
        int64_t instant = first + span / gaps * (int64_t)i + span % gaps * (int64_t)i / gaps;
        while (at + 1 < chart->count && points[at + 1].at <= instant)
            at++;
        values[i] = points[at].value;
    }
    return values;
}

/* How much of a cell is filled; `row` is 1 next to the line of zero. */
static int eighths(amount magnitude, int row, amount unit)
{
    amount filled = 0;
    if (magnitude <= (row - 1) * unit)
        return 0;
    amount part = magnitude - (row - 1) * unit;
    if (part >= unit)
        return FULL;
    enum err err = amount_mul_div(part, FULL, unit, &filled);
    assert(err == ERR_OK);
    return filled < 1 ? 1 : filled >= FULL ? FULL - 1 : (int)filled;
}

/* There are blocks of every height that stand on the bottom of a cell; of those that hang from its
 * top only an eighth and a half. */
static uint32_t glyph(int filled, bool hangs, bool has_blocks)
{
    static const uint32_t full_block = 0x2588, upper_half = 0x2580, upper_eighth = 0x2594;
    bool is_small = filled < HALF;
    if (filled == 0)
        return ' ';
    if (!has_blocks)
        return filled == FULL ? '#' : !is_small ? ':' : hangs ? '\'' : '.';
    if (hangs)
        return filled == FULL ? full_block : is_small ? upper_eighth : upper_half;
    return full_block - FULL + (uint32_t)filled;
}

static void print_label(FILE *out, const struct frame *frame, int row, uint32_t axis)
{
    fprintf(out, "%*s ", (int)frame->label_width, label_of(frame, row).text);
    text_put(out, axis);
}

/* No line ends in blanks. */
static void print_bars(FILE *out, const struct chart *chart, const struct frame *frame,
                       const amount *values, int row)
{
    int blanks = 0;
    print_label(out, frame, row, chart->has_blocks ? 0x2524 : '|');
    for (size_t i = 0; i < frame->columns; i++) {
        int filled =
            row > 0 ? eighths(values[i], row, frame->unit) : eighths(-values[i], -row, frame->unit);
        if (filled == 0) {
            blanks++;
            continue;
        }
        fprintf(out, "%*s", blanks, "");
        text_put(out, glyph(filled, row < 0, chart->has_blocks));
        blanks = 0;
    }
    putc('\n', out);
}

static void print_zero(FILE *out, const struct chart *chart, const struct frame *frame)
{
    print_label(out, frame, 0, chart->has_blocks ? 0x253C : '+');
    for (size_t i = 0; i < frame->columns; i++)
        text_put(out, chart->has_blocks ? 0x2500 : '-');
    putc('\n', out);
}

static void print_instants(FILE *out, const struct chart *chart, const struct frame *frame)
{
    fprintf(out, "%*s%s", (int)(frame->label_width + strlen(" |")), "", chart->from);
    if (chart->count > 1)
        fprintf(out, "%*s", (int)(frame->columns - strlen(chart->from)), chart->to);
    putc('\n', out);
}

void chart_print(FILE *out, const struct chart *chart)
{
    if (chart->count == 0)
        return;
    struct frame frame = make_frame(chart);
    amount *values = sample(chart, frame.columns);
    for (int row = frame.above; row >= -frame.below; row--) {
        if (row == 0)
            print_zero(out, chart, &frame);
        else
            print_bars(out, chart, &frame, values, row);
    }
    print_instants(out, chart, &frame);
    free(values);
}
