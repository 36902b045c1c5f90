/* Folding: crops, flips, paddings and one resize become two index maps and two sizes per axis.
 *
 * Key idea: every geometric step but the resize maps each axis on its own and moves whole pixels,
 * so steps compose as maps of positions; nothing is computed per pixel here. Invariants: a map's
 * last link names exactly the positions that the steps so far can show; colours are followed so
 * that the one fill colour of a job is right. Not here: weights (axis.c), which recipes are allowed
 * (recipe.c).
 */
#include "host/plan/fold.h"

#include <string.h>

/* ---- index maps ---- */

static void map_init(struct dlop_index_map *map, int32_t n)
{
    map->n_positions = n;
    map->n_links = 1;
    map->link[0] = (struct dlop_link){.sign = 1, .end = n, .mode = DLOP_PAD_CONSTANT, .n = n};
}

static struct dlop_link *last_link(struct dlop_index_map *map)
{
    return &map->link[map->n_links - 1];
}

/* Show [x, x + n) of what the map shows now; what was outside it stays outside. */
static void map_window(struct dlop_index_map *map, int32_t x, int32_t n)
{
    struct dlop_link *link = last_link(map);
    int32_t first = link->offset, last = link->offset + link->sign * (map->n_positions - 1);
    int32_t lo = first < last ? first : last, hi = first < last ? last : first;

    if (link->begin < lo)
        link->begin = lo;
    if (link->end > hi + 1)
        link->end = hi + 1;
    link->offset += link->sign * x;
    map->n_positions = n;
}

static void map_flip(struct dlop_index_map *map)
{
    struct dlop_link *link = last_link(map);

    link->offset += link->sign * (map->n_positions - 1);
    link->sign = -link->sign;
}

/* Padding by pixels of the image itself. One reflection at most: beyond it frameworks disagree. */
static dlop_status map_reflect(struct dlop_index_map *map, int32_t before, int32_t after,
                               int32_t mode)
{
    int32_t n = map->n_positions, most = mode == DLOP_PAD_REFLECT ? n - 1 : n;

    if (before == 0 && after == 0)
        return DLOP_OK;
    if (mode != DLOP_PAD_EDGE && (before > most || after > most))
        return DLOP_ERR_NO_PLAN;
    if (map->n_links == DLOP_MAX_LINKS)
        return DLOP_ERR_NO_PLAN;
    map->n_links++;
    map->n_positions = before + n + after;
    *last_link(map) = (struct dlop_link){
        .offset = -before, .sign = 1, .begin = -before, .end = n + after, .mode = mode, .n = n};
    return DLOP_OK;
}

/* ---- the two axes together ---- */

/* Map that the next step changes. */
static struct dlop_index_map *current(struct dlop_fold *fold, struct dlop_axis_fold *axis)
{
    return fold->is_resized ? &axis->after : &axis->before;
}

/* Some positions will show nothing: a job has one colour for all of them, and before a resize it
 * must be black, which adds nothing to a sum. */
static dlop_status use_fill(struct dlop_fold *fold, const uint8_t rgb[3])
{
    if (fold->has_fill && memcmp(fold->fill, rgb, 3) != 0)
        return DLOP_ERR_NO_PLAN;
    fold->has_fill = true;
    memcpy(fold->fill, rgb, 3);
    return DLOP_OK;
}

uint8_t dlop_fold_grey(const uint8_t rgb[3])
{
    return (uint8_t)((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 0x8000u) >> 16);
}

/* ---- one function per step ---- */

typedef dlop_status (*fold_fn)(struct dlop_fold *fold, const int32_t v[8]);

static dlop_status fold_crop(struct dlop_fold *fold, const int32_t v[8])
{
    static const uint8_t BLACK[3] = {0, 0, 0};
    struct dlop_index_map *x = current(fold, &fold->x), *y = current(fold, &fold->y);
    dlop_status status = DLOP_OK;

    if (v[0] < 0 || v[1] < 0 || v[0] + v[2] > x->n_positions || v[1] + v[3] > y->n_positions)
        status = use_fill(fold, BLACK);
    map_window(x, v[0], v[2]);
    map_window(y, v[1], v[3]);
    return status;
}

static dlop_status fold_resize(struct dlop_fold *fold, const int32_t v[8])
{
    struct dlop_index_map *x = current(fold, &fold->x), *y = current(fold, &fold->y);
    static const uint8_t BLACK[3] = {0, 0, 0};

    if (v[0] == x->n_positions && v[1] == y->n_positions)
        return DLOP_OK;
    if (fold->is_resized || (fold->has_fill && memcmp(fold->fill, BLACK, 3) != 0))
        return DLOP_ERR_NO_PLAN;
    fold->is_resized = true;
    fold->filter = v[2];
    fold->x.resize_px = v[0];
    fold->y.resize_px = v[1];
    map_init(&fold->x.after, v[0]);
    map_init(&fold->y.after, v[1]);
    return DLOP_OK;
}

static dlop_status fold_pad(struct dlop_fold *fold, const int32_t v[8])
{
    struct dlop_index_map *x = current(fold, &fold->x), *y = current(fold, &fold->y);

    if (!v[0] && !v[1] && !v[2] && !v[3])
        return DLOP_OK;
    if (v[4] != DLOP_PAD_CONSTANT) {
        dlop_status status = map_reflect(x, v[0], v[2], v[4]);
        return status == DLOP_OK ? map_reflect(y, v[1], v[3], v[4]) : status;
    }
    const uint8_t rgb[3] = {(uint8_t)v[5], (uint8_t)v[6], (uint8_t)v[7]};
    dlop_status status = use_fill(fold, rgb);
    map_window(x, -v[0], v[0] + x->n_positions + v[2]);
    map_window(y, -v[1], v[1] + y->n_positions + v[3]);
    return status;
}

static dlop_status fold_flip_x(struct dlop_fold *fold, const int32_t v[8])
{
    (void)v;
    map_flip(current(fold, &fold->x));
    return DLOP_OK;
}

static dlop_status fold_flip_y(struct dlop_fold *fold, const int32_t v[8])
{
    (void)v;
    map_flip(current(fold, &fold->y));
    return DLOP_OK;
}

/* Grey moves freely over whole-pixel steps, but not over the resize, which rounds. */
static dlop_status fold_grey(struct dlop_fold *fold, const int32_t v[8])
{
    if (fold->channels == 3) {
        memset(fold->fill, dlop_fold_grey(fold->fill), 3);
        if (fold->grey == DLOP_GREY_NONE)
            fold->grey = fold->is_resized ? DLOP_GREY_AFTER_AXES : DLOP_GREY_BEFORE_AXES;
    }
    if (v[0] != 0)
        fold->channels = (uint32_t)v[0];
    return DLOP_OK;
}

static const fold_fn FOLD_BY_KIND[DLOP_STEP_KIND_COUNT] = {
    [DLOP_STEP_CROP] = fold_crop,     [DLOP_STEP_RESIZE] = fold_resize,
    [DLOP_STEP_PAD] = fold_pad,       [DLOP_STEP_FLIP_X] = fold_flip_x,
    [DLOP_STEP_FLIP_Y] = fold_flip_y, [DLOP_STEP_GREY] = fold_grey,
};

dlop_status dlop_fold_steps(const struct dlop_drawn *drawn, uint32_t width_px, uint32_t height_px,
                            uint32_t src_channels, struct dlop_fold *fold)
{
    fold->is_resized = fold->has_fill = false;
    fold->filter = DLOP_FILTER_NEAREST;
    fold->grey = DLOP_GREY_NONE;
    fold->channels = src_channels;
    memset(fold->fill, 0, sizeof fold->fill);
    map_init(&fold->x.before, (int32_t)width_px);
    map_init(&fold->y.before, (int32_t)height_px);

    for (uint32_t i = 0; i < drawn->n_steps; i++) {
        const struct dlop_step *step = &drawn->steps[i];
        if (step->kind < 0 || step->kind >= DLOP_STEP_KIND_COUNT)
            return DLOP_ERR_NO_PLAN;
        dlop_status status = FOLD_BY_KIND[step->kind](fold, step->v);
        if (status != DLOP_OK)
            return status;
    }
    if (!fold->is_resized) {
        /* An identity stands where the resize would be. */
        fold->x.resize_px = fold->x.before.n_positions;
        fold->y.resize_px = fold->y.before.n_positions;
        map_init(&fold->x.after, fold->x.resize_px);
        map_init(&fold->y.after, fold->y.resize_px);
    }
    return DLOP_OK;
}

/* Every position of the source, and no other, is shown at its place. */
static bool is_identity(const struct dlop_index_map *map)
{
    int32_t n = map->link[0].n;

    if (map->n_positions != n)
        return false;
    for (int32_t p = 0; p < n; p++)
        if (dlop_index_map_at(map, p) != p)
            return false;
    return true;
}

bool dlop_fold_is_identity(const struct dlop_fold *fold)
{
    return !fold->is_resized && is_identity(&fold->x.before) && is_identity(&fold->y.before);
}
