/* Mutations of JPEG files and of plain bytes.
 *
 * A JPEG file is cut into pieces first (segments and entropy-coded bytes, found by a walk of its
 * own, not by the product's parser), so that a mutation can aim: most of a file is entropy-coded
 * bytes, and most random damage would end at the first check of the header.
 */
#include "tests/fuzz/mutate.h"

#include <string.h>

#define MAX_PIECES 64
/* A restart segment that the decoder has to unstuff in several goes, each of 8 KB. */
#define LONG_SEGMENT_MIN_BYTES (13u << 10)
#define LONG_SEGMENT_MAX_BYTES (40u << 10)

enum { NO_MARKER = 0, SOF0 = 0xC0, DHT = 0xC4, RST0 = 0xD0, SOS = 0xDA, DQT = 0xDB, DRI = 0xDD };

struct file {
    struct fuzz_random *random;
    uint8_t *bytes;
    size_t n;
};

/* A whole segment with its marker, or entropy-coded bytes (marker 0). */
struct piece {
    unsigned marker;
    size_t at, n;
};

struct pieces {
    struct piece piece[MAX_PIECES];
    unsigned n;
};

/* ---- finding and editing ---- */

static size_t scan_end(const struct file *file, size_t at)
{
    while (at + 1 < file->n) {
        unsigned next = file->bytes[at + 1];
        if (file->bytes[at] == 0xFF && next != 0 && (next < 0xD0 || next > 0xD7))
            return at;
        at++;
    }
    return file->n;
}

static void find_pieces(const struct file *file, struct pieces *pieces)
{
    size_t at = 2;

    pieces->n = 0;
    while (at + 4 <= file->n && file->bytes[at] == 0xFF && pieces->n + 2 <= MAX_PIECES) {
        unsigned marker = file->bytes[at + 1];
        size_t n = 2 + ((size_t)file->bytes[at + 2] << 8 | file->bytes[at + 3]);
        if (at + n > file->n)
            return;
        pieces->piece[pieces->n++] = (struct piece){marker, at, n};
        at += n;
        if (marker == SOS) {
            size_t end = scan_end(file, at);
            pieces->piece[pieces->n++] = (struct piece){NO_MARKER, at, end - at};
            at = end;
        }
    }
}

/* A random piece of this marker and of at least min bytes, or null. */
static const struct piece *pick(struct file *file, const struct pieces *pieces, unsigned marker,
                                size_t min_bytes)
{
    unsigned first = pieces->n == 0 ? 0 : (unsigned)fuzz_below(file->random, pieces->n);
    for (unsigned i = 0; i < pieces->n; i++) {
        const struct piece *piece = &pieces->piece[(first + i) % pieces->n];
        if (piece->marker == marker && piece->n >= min_bytes)
            return piece;
    }
    return NULL;
}

static const struct piece *pick_segment(struct file *file, const struct pieces *pieces)
{
    unsigned first = pieces->n == 0 ? 0 : (unsigned)fuzz_below(file->random, pieces->n);
    for (unsigned i = 0; i < pieces->n; i++) {
        const struct piece *piece = &pieces->piece[(first + i) % pieces->n];
        if (piece->marker != NO_MARKER)
            return piece;
    }
    return NULL;
}

/* Put n_new bytes (which may lie in the file) in place of n_old. */
static void replace(struct file *file, size_t at, size_t n_old, const uint8_t *new_bytes,
                    size_t n_new)
{
    static uint8_t kept[FUZZ_MAX_BYTES];
    if (file->n - n_old + n_new > FUZZ_MAX_BYTES)
        return;
    if (n_new > 0)
        memcpy(kept, new_bytes, n_new);
    memmove(file->bytes + at + n_new, file->bytes + at + n_old, file->n - at - n_old);
    memcpy(file->bytes + at, kept, n_new);
    file->n += n_new - n_old;
}

static uint8_t random_byte(struct file *file)
{
    static const uint8_t edges[] = {0, 1, 2, 7, 8, 15, 16, 17, 63, 64, 127, 128, 254, 255};
    return fuzz_one_in(file->random, 3) ? edges[fuzz_below(file->random, sizeof(edges))]
                                        : (uint8_t)fuzz_next(file->random);
}

/* ---- mutations that keep the header sane ---- */

typedef void (*mutation)(struct file *file, const struct pieces *pieces);

/* Mostly without touching or making 0xFF, so that the damage is in the codes and not in markers. */
static void change_scan(struct file *file, const struct pieces *pieces)
{
    const struct piece *scan = pick(file, pieces, NO_MARKER, 4);
    size_t n = 1 + fuzz_below(file->random, 4);
    int may_touch_markers = fuzz_one_in(file->random, 8);

    for (size_t i = 0; scan != NULL && i < n; i++) {
        size_t at = scan->at + fuzz_below(file->random, scan->n);
        unsigned value = fuzz_one_in(file->random, 2)
                             ? file->bytes[at] ^ 1u << fuzz_below(file->random, 8)
                             : (uint8_t)fuzz_next(file->random);
        if (may_touch_markers ||
            (value != 0xFF && file->bytes[at] != 0xFF && file->bytes[at - 1] != 0xFF))
            file->bytes[at] = (uint8_t)value;
    }
}

static void cut_from_scan(struct file *file, const struct pieces *pieces)
{
    const struct piece *scan = pick(file, pieces, NO_MARKER, 20);
    if (scan != NULL)
        replace(file, scan->at + fuzz_below(file->random, scan->n - 16),
                1 + fuzz_below(file->random, 16), NULL, 0);
}

static void put_into_scan(struct file *file, const struct pieces *pieces)
{
    const struct piece *scan = pick(file, pieces, NO_MARKER, 1);
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)fuzz_below(file->random, 255);
    if (scan != NULL)
        replace(file, scan->at + fuzz_below(file->random, scan->n), 0, bytes,
                1 + fuzz_below(file->random, sizeof(bytes)));
}

static void copy_within_scan(struct file *file, const struct pieces *pieces)
{
    const struct piece *scan = pick(file, pieces, NO_MARKER, 64);
    if (scan == NULL)
        return;
    size_t n = 1 + fuzz_below(file->random, 48);
    size_t from = scan->at + fuzz_below(file->random, scan->n - n);
    size_t to = scan->at + fuzz_below(file->random, scan->n - n);
    replace(file, to, fuzz_one_in(file->random, 2) ? n : 0, file->bytes + from, n);
}

static void cut_end(struct file *file, const struct pieces *pieces)
{
    static const uint8_t end[] = {0xFF, 0xD9};
    const struct piece *scan = pick(file, pieces, NO_MARKER, 1);
    if (scan == NULL)
        return;
    file->n = scan->at + fuzz_below(file->random, scan->n);
    if (!fuzz_one_in(file->random, 4))
        replace(file, file->n, 0, end, sizeof(end));
}

static void change_quant(struct file *file, const struct pieces *pieces)
{
    const struct piece *table = pick(file, pieces, DQT, 6);
    size_t n = 1 + fuzz_below(file->random, 3);
    for (size_t i = 0; table != NULL && i < n; i++)
        file->bytes[table->at + 5 + fuzz_below(file->random, table->n - 5)] = random_byte(file);
}

static void change_huff_symbol(struct file *file, const struct pieces *pieces)
{
    const struct piece *table = pick(file, pieces, DHT, 22);
    if (table != NULL)
        file->bytes[table->at + 21 + fuzz_below(file->random, table->n - 21)] = random_byte(file);
}

/* One code becomes longer or shorter; the number of codes stays. */
static void change_huff_lengths(struct file *file, const struct pieces *pieces)
{
    const struct piece *table = pick(file, pieces, DHT, 21);
    if (table == NULL)
        return;
    uint8_t *counts = file->bytes + table->at + 5;
    size_t from = fuzz_below(file->random, 16), to = fuzz_below(file->random, 16);
    if (counts[from] > 0 && counts[to] < 255) {
        counts[from]--;
        counts[to]++;
    }
}

/* Number, lose or add a restart marker. */
static void change_restart(struct file *file, const struct pieces *pieces)
{
    const struct piece *scan = pick(file, pieces, NO_MARKER, 4);
    if (scan == NULL)
        return;
    size_t first = fuzz_below(file->random, scan->n), i = 0;
    while (i < scan->n && (file->bytes[scan->at + (first + i) % scan->n] & 0xF8) != RST0)
        i++;
    size_t at = scan->at + (first + i) % scan->n;
    uint8_t marker[] = {0xFF, (uint8_t)(RST0 + fuzz_below(file->random, 8))};
    if (i < scan->n && at > scan->at && file->bytes[at - 1] == 0xFF)
        replace(file, at - 1, 2, marker, fuzz_one_in(file->random, 3) ? 0 : 2);
    else
        replace(file, scan->at + first, 0, marker, 2);
}

/* Entropy-coded bytes for a long segment, copied from the scan; a 0xFF gets its zero, so there are
 * no markers. Returns their number. */
static size_t make_filler(struct file *file, const struct piece *scan, uint8_t *filler_out)
{
    size_t n = LONG_SEGMENT_MIN_BYTES +
               fuzz_below(file->random, LONG_SEGMENT_MAX_BYTES - LONG_SEGMENT_MIN_BYTES);
    size_t from = fuzz_below(file->random, scan->n), n_made = 0;

    while (n_made < n) {
        uint8_t byte = file->bytes[scan->at + from];
        filler_out[n_made++] = byte;
        if (byte == 0xFF)
            filler_out[n_made++] = 0;
        from = (from + 1) % scan->n;
    }
    return n_made;
}

/* MCUs of a scan of all components, from the first frame header; 0 where there is none. */
static size_t count_mcus(struct file *file, const struct pieces *pieces)
{
    const struct piece *frame = pick(file, pieces, SOF0, 13);
    size_t h_max = 1, v_max = 1;

    if (frame == NULL)
        return 0;
    const uint8_t *bytes = file->bytes + frame->at;
    size_t height_px = (size_t)bytes[5] << 8 | bytes[6],
           width_px = (size_t)bytes[7] << 8 | bytes[8];
    for (size_t c = 0; c < bytes[9] && 10 + 3 * c + 1 < frame->n && bytes[9] > 1; c++) {
        size_t h = bytes[10 + 3 * c + 1] >> 4, v = bytes[10 + 3 * c + 1] & 15;
        h_max = h > h_max ? h : h_max;
        v_max = v > v_max ? v : v_max;
    }
    return ((width_px + 8 * h_max - 1) / (8 * h_max)) * ((height_px + 8 * v_max - 1) / (8 * v_max));
}

/* Restart intervals in a file without: the whole scan and the filler become the first segment, and
 * as many markers as are due follow. */
static void add_long_segment(struct file *file, const struct pieces *pieces,
                             const struct piece *scan, uint8_t *filler, size_t n_filler)
{
    size_t n_mcus = count_mcus(file, pieces);
    size_t interval = fuzz_one_in(file->random, 2) ? 1 : 1 + n_mcus / 3;
    const uint8_t announced[] = {0xFF, DRI, 0, 4, (uint8_t)(interval >> 8), (uint8_t)interval};

    if (n_mcus < 2 || n_mcus > 4096 ||
        file->n + n_filler + 2 * n_mcus + sizeof(announced) > FUZZ_MAX_BYTES)
        return;
    for (size_t i = 0; i < (n_mcus - 1) / interval; i++) {
        filler[n_filler++] = 0xFF;
        filler[n_filler++] = (uint8_t)(RST0 + i % 8);
    }
    replace(file, scan->at + scan->n, 0, filler, n_filler);
    replace(file, 2, 0, announced, sizeof(announced));
}

/* One restart segment gets bytes behind its last MCU, more than the decoder unstuffs at a time. The
 * markers stay right, so that the file gets past the parser. */
static void lengthen_segment(struct file *file, const struct pieces *pieces)
{
    static uint8_t filler[LONG_SEGMENT_MAX_BYTES + 2 + 2 * 4096];
    const struct piece *scan = pick(file, pieces, NO_MARKER, 4);

    if (scan == NULL)
        return;
    size_t n_filler = make_filler(file, scan, filler);
    size_t first = fuzz_below(file->random, scan->n - 1);
    for (size_t i = 0; i < scan->n - 1; i++) {
        size_t at = scan->at + (first + i) % (scan->n - 1);
        if (file->bytes[at] == 0xFF && (file->bytes[at + 1] & 0xF8) == RST0) {
            replace(file, at, 0, filler, n_filler);
            return;
        }
    }
    if (pick(file, pieces, DRI, 6) == NULL)
        add_long_segment(file, pieces, scan, filler, n_filler);
}

static void change_interval(struct file *file, const struct pieces *pieces)
{
    const struct piece *interval = pick(file, pieces, DRI, 6);
    const uint8_t new_interval[] = {0xFF, DRI, 0, 4, 0, (uint8_t)fuzz_below(file->random, 40)};
    if (interval != NULL)
        memcpy(file->bytes + interval->at, new_interval, sizeof(new_interval));
    else if (pieces->n > 0)
        replace(file, 2, 0, new_interval, sizeof(new_interval));
}

/* ---- any damage ---- */

static void change_any_byte(struct file *file, const struct pieces *pieces)
{
    size_t n = pieces->n > 0 && !fuzz_one_in(file->random, 4) ? pieces->piece[pieces->n - 1].at + 1
                                                              : file->n;
    file->bytes[fuzz_below(file->random, n < file->n ? n : file->n)] = random_byte(file);
}

static void change_length(struct file *file, const struct pieces *pieces)
{
    const struct piece *segment = pick_segment(file, pieces);
    if (segment == NULL)
        return;
    size_t length = segment->n - 2 + fuzz_below(file->random, 20) - 9;
    file->bytes[segment->at + 2] = (uint8_t)(length >> 8);
    file->bytes[segment->at + 3] = (uint8_t)length;
}

static void shorten_segment(struct file *file, const struct pieces *pieces)
{
    const struct piece *segment = pick_segment(file, pieces);
    if (segment == NULL || segment->n < 5)
        return;
    size_t keep = 4 + fuzz_below(file->random, segment->n - 4);
    file->bytes[segment->at + 2] = (uint8_t)((keep - 2) >> 8);
    file->bytes[segment->at + 3] = (uint8_t)(keep - 2);
    replace(file, segment->at + keep, segment->n - keep, NULL, 0);
}

static void copy_segment(struct file *file, const struct pieces *pieces)
{
    const struct piece *segment = pick_segment(file, pieces);
    const struct piece *place = pick_segment(file, pieces);
    if (segment != NULL)
        replace(file, place->at, 0, file->bytes + segment->at, segment->n);
}

static void drop_piece(struct file *file, const struct pieces *pieces)
{
    if (pieces->n == 0)
        return;
    const struct piece *piece = &pieces->piece[fuzz_below(file->random, pieces->n)];
    replace(file, piece->at, piece->n, NULL, 0);
}

static void change_marker(struct file *file, const struct pieces *pieces)
{
    static const uint8_t markers[] = {0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC9, 0xDA, 0xDB,
                                      0xDC, 0xDD, 0xE0, 0xE1, 0xED, 0xEE, 0xFE, 0xD8};
    const struct piece *segment = pick_segment(file, pieces);
    if (segment != NULL)
        file->bytes[segment->at + 1] = markers[fuzz_below(file->random, sizeof(markers))];
}

static void put_anywhere(struct file *file, const struct pieces *pieces)
{
    static const uint8_t bytes[] = {0xFF, 0xD9, 0xFF, 0x00, 0xFF, 0xFF,
                                    0xFE, 0x00, 0x02, 0xFF, 0xD0};
    size_t from = fuzz_below(file->random, sizeof(bytes));
    (void)pieces;
    replace(file, fuzz_below(file->random, file->n), 0, bytes + from,
            1 + fuzz_below(file->random, sizeof(bytes) - from));
}

static void cut_anywhere(struct file *file, const struct pieces *pieces)
{
    (void)pieces;
    if (fuzz_one_in(file->random, 4))
        file->n = fuzz_below(file->random, file->n);
}

/* ---- plain bytes ---- */

/* Half of the damage goes into the first bytes, where records have their fields. */
static size_t place_in_bytes(struct file *file)
{
    size_t n_first = file->n < 192 ? file->n : 192;
    return fuzz_below(file->random, fuzz_one_in(file->random, 2) ? n_first : file->n);
}

static void change_word(struct file *file, const struct pieces *pieces)
{
    static const uint32_t edges[] = {0,       1,        2,          3,          4,          8,
                                     255,     256,      65500,      65501,      65535,      65536,
                                     1 << 22, 1u << 30, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 64};
    size_t at = place_in_bytes(file) & ~(size_t)3;
    uint32_t value = edges[fuzz_below(file->random, sizeof(edges) / sizeof(edges[0]))];
    (void)pieces;
    if (at + 4 <= file->n)
        memcpy(file->bytes + at, &value, 4);
}

static void flip_bit(struct file *file, const struct pieces *pieces)
{
    (void)pieces;
    file->bytes[place_in_bytes(file)] ^= (uint8_t)(1u << fuzz_below(file->random, 8));
}

static void change_byte(struct file *file, const struct pieces *pieces)
{
    (void)pieces;
    file->bytes[place_in_bytes(file)] = random_byte(file);
}

static const mutation sane_mutations[] = {
    change_scan,         change_scan,      change_scan,     change_scan,      cut_from_scan,
    put_into_scan,       copy_within_scan, cut_end,         change_quant,     change_huff_symbol,
    change_huff_lengths, change_restart,   change_interval, lengthen_segment,
};
static const mutation any_mutations[] = {
    change_scan,        cut_from_scan,       put_into_scan,   cut_end,         change_quant,
    change_huff_symbol, change_huff_lengths, change_restart,  change_interval, change_any_byte,
    change_any_byte,    change_length,       shorten_segment, copy_segment,    drop_piece,
    change_marker,      put_anywhere,        cut_anywhere,
};
static const mutation byte_mutations[] = {change_word, change_word, flip_bit, change_byte,
                                          cut_anywhere};

#define SET(mutations)                                                                             \
    {                                                                                              \
        mutations, sizeof(mutations) / sizeof(mutations[0])                                        \
    }
static const struct {
    const mutation *mutations;
    size_t n;
} sets[FUZZ_KIND_COUNT] = {
    [FUZZ_SANE] = SET(sane_mutations),
    [FUZZ_ANY] = SET(any_mutations),
    [FUZZ_BYTES] = SET(byte_mutations),
};

size_t fuzz_mutate(enum fuzz_kind kind, struct fuzz_random *random, uint8_t *bytes, size_t n)
{
    static const uint8_t n_steps[] = {1, 1, 1, 2, 3, 5};
    struct file file = {random, bytes, n};
    struct pieces pieces;

    for (size_t i = n_steps[fuzz_below(random, sizeof(n_steps))]; i > 0 && file.n > 0; i--) {
        find_pieces(&file, &pieces);
        sets[kind].mutations[fuzz_below(random, sets[kind].n)](&file, &pieces);
    }
    return file.n;
}
