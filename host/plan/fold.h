/* Drawn steps folded into one form per axis: index map, at most one resize, index map.
 *
 * Terms: an *index map* says for each position of an image which position of the image before it is
 * shown there. It is a list of links, the last one nearest to the output; crops, flips and constant
 * padding change the last link in place, other paddings add one. All numbers are positions in px.
 */
#ifndef DLOP_HOST_PLAN_FOLD_H
#define DLOP_HOST_PLAN_FOLD_H

#include <stdbool.h>

#include "host/draw/draw.h"

/* Position p becomes q = offset + sign * p; outside [begin, end) it shows nothing (the fill). A q
 * outside [0, n) is brought back by the pad mode; with constant padding [begin, end) is within. */
struct dlop_link {
    int32_t offset;
    int32_t sign; /* 1 or -1 */
    int32_t begin, end;
    int32_t mode; /* enum dlop_pad_mode */
    int32_t n;
};

/* Only paddings that are not constant add a link, at most two of three steps of an operation. */
#define DLOP_MAX_LINKS (2 * DLOP_MAX_OPS + 1)

struct dlop_index_map {
    int32_t n_positions;
    uint32_t n_links; /* at least 1 */
    struct dlop_link link[DLOP_MAX_LINKS];
};

/* One axis: before.n_positions source positions are resampled to resize_px, then mapped again.
 * resize_px == before.n_positions: copied. */
struct dlop_axis_fold {
    struct dlop_index_map before, after;
    int32_t resize_px;
};

struct dlop_fold {
    struct dlop_axis_fold x, y;
    int32_t filter;    /* enum dlop_filter, where is_resized */
    bool is_resized;   /* had a resize that changes an axis */
    bool has_fill;     /* some position shows nothing */
    uint8_t fill[3];   /* its colour */
    uint8_t grey;      /* enum dlop_grey */
    uint32_t channels; /* after all steps */
};

/* Fold the steps drawn for a source of width_px x height_px with src_channels channels. DLOP_OK, or
 * DLOP_ERR_NO_PLAN where they cannot be done in one pass. Any thread, no allocation. */
dlop_status dlop_fold_steps(const struct dlop_drawn *drawn, uint32_t width_px, uint32_t height_px,
                            uint32_t src_channels, struct dlop_fold *fold_out) DLOP_MUST_USE;

/* Position before the link that is shown at q in [begin, end). */
static inline int32_t dlop_link_bring_back(const struct dlop_link *link, int32_t q)
{
    if (q >= 0 && q < link->n)
        return q;
    if (link->mode == DLOP_PAD_EDGE)
        return q < 0 ? 0 : link->n - 1;
    /* Symmetric repeats the pixel at the edge, reflect does not. */
    int32_t repeats = link->mode == DLOP_PAD_SYMMETRIC;
    return q < 0 ? -q - repeats : 2 * (link->n - 1) - q + repeats;
}

/* Whether every pixel of the source is shown at its own place, and nothing else is. */
bool dlop_fold_is_identity(const struct dlop_fold *fold);

/* Source position shown at position p, or -1 for none. */
static inline int32_t dlop_index_map_at(const struct dlop_index_map *map, int32_t p)
{
    for (uint32_t i = map->n_links; i-- > 0;) {
        const struct dlop_link *link = &map->link[i];
        int32_t q = link->offset + link->sign * p;
        if (q < link->begin || q >= link->end)
            return -1;
        p = dlop_link_bring_back(link, q);
    }
    return p;
}

/* Grey of a colour as Pillow's convert("L") gives it. */
uint8_t dlop_fold_grey(const uint8_t rgb[3]);

#endif
