/* The XML of a card image.
 *
 * Key idea: no document tree. Tags are taken one by one, and three of them fill the struct: kernel,
 * arg inside it, and the addrRemap of an instance. Attributes that no host needs are not looked at;
 * those that it needs must be there, once, without entities.
 */
#include "driver/xrt/metadata.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "hw/abi/status.h"

/* Characters of the text. */
struct span {
    const char *begin;
    const char *end;
};

struct tag {
    struct span name;
    struct span attributes;
    bool closes; /* </name> */
};

struct reader {
    struct span rest;
    struct dlop_metadata *metadata;
    struct dlop_metadata_kernel *kernel; /* whose element is open, or null */
    uint32_t seen_arguments;             /* of it, bit per id */
    struct span unit_name;               /* of the instance tag that was last */
    char *reason;
    size_t reason_size;
    int32_t status;
};

void dlop_metadata_make_printable(char *text)
{
    for (; *text != 0; text++)
        *text = *text >= ' ' && *text <= '~' ? *text : '?';
}

static bool refuse(struct reader *reader, int32_t status, const char *what, struct span where)
{
    int n = where.begin == NULL
                ? 0
                : (int)(where.end - where.begin > 40 ? 40 : where.end - where.begin);

    reader->status = status;
    if (reader->reason != NULL && n > 0)
        snprintf(reader->reason, reader->reason_size, "metadata: %s: %.*s", what, n, where.begin);
    else if (reader->reason != NULL)
        snprintf(reader->reason, reader->reason_size, "metadata: %s", what);
    if (reader->reason != NULL)
        dlop_metadata_make_printable(reader->reason);
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_text(struct span span, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(span.end - span.begin) == n && memcmp(span.begin, text, n) == 0;
}

/* Move behind `mark`; false, and at the end, where there is none. */
static bool skip_past(struct span *rest, const char *mark)
{
    size_t n = strlen(mark);

    for (; (size_t)(rest->end - rest->begin) >= n; rest->begin++) {
        if (memcmp(rest->begin, mark, n) == 0) {
            rest->begin += n;
            return true;
        }
    }
    rest->begin = rest->end;
    return false;
}

/* The end of a tag: the first '>' that no quotes hold. Null where it does not end. */
static const char *find_tag_end(const char *at, const char *end)
{
    char quote = 0;

    for (; at < end; at++) {
        if (quote != 0)
            quote = *at == quote ? 0 : quote;
        else if (*at == '"' || *at == '\'')
            quote = *at;
        else if (*at == '>')
            return at;
    }
    return NULL;
}

/* False after the last tag, or with a status where the text is broken. */
static bool next_tag(struct reader *reader, struct tag *tag_out)
{
    struct span *rest = &reader->rest;

    while (skip_past(rest, "<")) {
        const struct span at = {rest->begin - 1, rest->end};

        if (rest->begin < rest->end && (*rest->begin == '!' || *rest->begin == '?')) {
            const bool is_comment =
                rest->end - rest->begin >= 3 && memcmp(rest->begin, "!--", 3) == 0;
            if (!skip_past(rest, is_comment ? "-->" : ">"))
                return refuse(reader, DLOP_ERR_BAD_DATA, "comment without end", at);
            continue;
        }
        const char *end = find_tag_end(rest->begin, rest->end);
        if (end == NULL)
            return refuse(reader, DLOP_ERR_BAD_DATA, "tag without end", at);
        tag_out->closes = *rest->begin == '/';
        tag_out->name.begin = rest->begin + tag_out->closes;
        tag_out->name.end = tag_out->name.begin;
        while (tag_out->name.end < end && !is_blank(*tag_out->name.end) &&
               *tag_out->name.end != '/')
            tag_out->name.end++;
        tag_out->attributes = (struct span){tag_out->name.end, end};
        rest->begin = end + 1;
        return true;
    }
    return false;
}

/* The value of an attribute, without its quotes. False with a status where it is not there. */
static bool find_attribute(struct reader *reader, const struct tag *tag, const char *name,
                           struct span *value_out)
{
    const char *at = tag->attributes.begin;
    const char *end = tag->attributes.end;

    while (at < end) {
        struct span key, value;

        while (at < end && (is_blank(*at) || *at == '/'))
            at++;
        for (key.begin = at; at < end && *at != '=' && !is_blank(*at);)
            at++;
        key.end = at;
        if (at == end)
            break;
        if (end - at < 2 || *at != '=' || (at[1] != '"' && at[1] != '\''))
            return refuse(reader, DLOP_ERR_BAD_DATA, "attribute without a value", key);
        value.begin = at + 2;
        value.end = memchr(value.begin, at[1], (size_t)(end - value.begin));
        if (value.end == NULL)
            return refuse(reader, DLOP_ERR_BAD_DATA, "attribute without end", key);
        at = value.end + 1;
        if (is_text(key, name)) {
            *value_out = value;
            return true;
        }
    }
    return refuse(reader, DLOP_ERR_BAD_DATA, name, tag->name);
}

/* A name of letters, digits and underscores. first is how many bytes are in use already. */
static bool put_name(struct reader *reader, struct span value, char *name_out, size_t first)
{
    size_t n = (size_t)(value.end - value.begin);

    if (n == 0 || n >= DLOP_METADATA_NAME_BYTES - first)
        return refuse(reader, DLOP_ERR_LIMIT, "length of a name", value);
    for (size_t i = 0; i < n; i++) {
        const char c = value.begin[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_'))
            return refuse(reader, DLOP_ERR_BAD_DATA, "a name", value);
        name_out[first + i] = c;
    }
    name_out[first + n] = 0;
    return true;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

/* Decimal or 0x..., at most `most`. */
static bool get_number(struct reader *reader, const struct tag *tag, const char *name,
                       uint64_t most, uint64_t *number_out)
{
    struct span value = {NULL, NULL};
    uint64_t number = 0;

    if (!find_attribute(reader, tag, name, &value))
        return false;
    const char *at = value.begin;
    const bool is_hex = value.end - at > 2 && at[0] == '0' && (at[1] == 'x' || at[1] == 'X');
    const uint64_t radix = is_hex ? 16 : 10;
    at += is_hex ? 2 : 0;
    if (at == value.end)
        return refuse(reader, DLOP_ERR_BAD_DATA, "an empty number", value);
    for (; at < value.end; at++) {
        const uint64_t digit = (uint64_t)digit_of(*at);
        if (digit >= radix)
            return refuse(reader, DLOP_ERR_BAD_DATA, "not a number", value);
        if (number > (most - (digit > most ? most : digit)) / radix)
            return refuse(reader, DLOP_ERR_LIMIT, "number over its limit", value);
        number = number * radix + digit;
    }
    if (number > most)
        return refuse(reader, DLOP_ERR_LIMIT, "number over its limit", value);
    *number_out = number;
    return true;
}

static bool begin_kernel(struct reader *reader, const struct tag *tag)
{
    struct dlop_metadata *metadata = reader->metadata;
    struct span name = {NULL, NULL};

    if (reader->kernel != NULL)
        return refuse(reader, DLOP_ERR_BAD_DATA, "kernel inside a kernel", tag->attributes);
    if (metadata->n_kernels == DLOP_METADATA_MAX_KERNELS)
        return refuse(reader, DLOP_ERR_LIMIT, "number of kernels", tag->attributes);
    reader->kernel = &metadata->kernels[metadata->n_kernels];
    reader->seen_arguments = 0;
    reader->unit_name = (struct span){NULL, NULL};
    if (!find_attribute(reader, tag, "name", &name) ||
        !put_name(reader, name, reader->kernel->name, 0))
        return false;
    for (uint32_t i = 0; i < metadata->n_kernels; i++) {
        if (strcmp(metadata->kernels[i].name, reader->kernel->name) == 0)
            return refuse(reader, DLOP_ERR_BAD_DATA, "two kernels of one name", name);
    }
    metadata->n_kernels++;
    return true;
}

static bool end_kernel(struct reader *reader)
{
    const struct dlop_metadata_kernel *kernel = reader->kernel;
    const struct span none = {NULL, NULL};

    if (kernel == NULL)
        return refuse(reader, DLOP_ERR_BAD_DATA, "end of a kernel that did not begin", none);
    if (reader->seen_arguments != (uint32_t)(((uint64_t)1 << kernel->n_arguments) - 1))
        return refuse(reader, DLOP_ERR_BAD_DATA, "arguments are not numbered from 0 on", none);
    reader->kernel = NULL;
    return true;
}

static bool overlaps_argument(const struct reader *reader, uint32_t id)
{
    const struct dlop_metadata_argument *a = &reader->kernel->arguments[id];

    for (uint32_t i = 0; i < reader->kernel->n_arguments; i++) {
        const struct dlop_metadata_argument *b = &reader->kernel->arguments[i];
        if (i != id && (reader->seen_arguments >> i & 1) != 0 &&
            a->register_offset < b->register_offset + b->size_bytes &&
            b->register_offset < a->register_offset + a->size_bytes)
            return true;
    }
    return false;
}

static bool take_argument(struct reader *reader, const struct tag *tag)
{
    struct dlop_metadata_kernel *kernel = reader->kernel;
    uint64_t id = 0, qualifier = 0, offset = 0, size_bytes = 0;
    struct span name = {NULL, NULL};

    /* Tools add arguments of their own that no host sets: they have no number. */
    if (!find_attribute(reader, tag, "id", &name))
        return false;
    if (name.begin == name.end)
        return true;
    if (!get_number(reader, tag, "id", DLOP_METADATA_MAX_ARGUMENTS - 1, &id) ||
        !get_number(reader, tag, "addressQualifier", DLOP_METADATA_STREAM, &qualifier) ||
        !get_number(reader, tag, "offset", DLOP_METADATA_REGISTER_BYTES, &offset) ||
        !get_number(reader, tag, "size", 8, &size_bytes) ||
        !find_attribute(reader, tag, "name", &name))
        return false;
    struct dlop_metadata_argument *argument = &kernel->arguments[id];
    if (!put_name(reader, name, argument->name, 0))
        return false;
    if (qualifier == DLOP_METADATA_BUFFER && size_bytes != 8)
        return refuse(reader, DLOP_ERR_BAD_DATA, "a buffer argument that is no address", name);
    /* The first 16 bytes are the control registers. */
    if (size_bytes == 0 || offset < 16 || offset + size_bytes > DLOP_METADATA_REGISTER_BYTES)
        return refuse(reader, DLOP_ERR_BAD_DATA, "registers of an argument", name);
    argument->qualifier = (uint32_t)qualifier;
    argument->register_offset = (uint32_t)offset;
    argument->size_bytes = (uint32_t)size_bytes;
    if (kernel->n_arguments <= id)
        kernel->n_arguments = (uint32_t)id + 1;
    if ((reader->seen_arguments >> id & 1) != 0 || overlaps_argument(reader, (uint32_t)id))
        return refuse(reader, DLOP_ERR_BAD_DATA, "two arguments in one place", name);
    reader->seen_arguments |= (uint32_t)1 << id;
    return true;
}

/* Put the unit where the order of bases wants it. */
static bool take_unit(struct reader *reader, const struct tag *tag)
{
    struct dlop_metadata *metadata = reader->metadata;
    struct dlop_metadata_unit unit = {.kernel = metadata->n_kernels - 1};
    uint32_t at = metadata->n_units;

    if (reader->unit_name.begin == NULL)
        return refuse(reader, DLOP_ERR_BAD_DATA, "address without an instance", tag->attributes);
    if (metadata->n_units == DLOP_METADATA_MAX_UNITS)
        return refuse(reader, DLOP_ERR_LIMIT, "number of compute units", tag->attributes);
    const size_t n = strlen(reader->kernel->name);
    if (n + 2 >= DLOP_METADATA_NAME_BYTES)
        return refuse(reader, DLOP_ERR_LIMIT, "length of a name", reader->unit_name);
    memcpy(unit.name, reader->kernel->name, n);
    unit.name[n] = ':';
    if (!put_name(reader, reader->unit_name, unit.name, n + 1) ||
        !get_number(reader, tag, "base", UINT64_MAX - DLOP_METADATA_REGISTER_BYTES, &unit.base))
        return false;
    for (uint32_t i = 0; i < metadata->n_units; i++) {
        const struct dlop_metadata_unit *other = &metadata->units[i];
        if (strcmp(other->name, unit.name) == 0 ||
            (unit.base < other->base + DLOP_METADATA_REGISTER_BYTES &&
             other->base < unit.base + DLOP_METADATA_REGISTER_BYTES))
            return refuse(reader, DLOP_ERR_BAD_DATA, "two compute units in one place",
                          reader->unit_name);
    }
    for (; at > 0 && metadata->units[at - 1].base > unit.base; at--)
        metadata->units[at] = metadata->units[at - 1];
    metadata->units[at] = unit;
    metadata->n_units++;
    reader->unit_name = (struct span){NULL, NULL};
    return true;
}

static bool take_tag(struct reader *reader, const struct tag *tag)
{
    if (is_text(tag->name, "kernel"))
        return tag->closes ? end_kernel(reader) : begin_kernel(reader, tag);
    if (tag->closes || reader->kernel == NULL)
        return true;
    if (is_text(tag->name, "arg"))
        return take_argument(reader, tag);
    if (is_text(tag->name, "instance"))
        return find_attribute(reader, tag, "name", &reader->unit_name);
    if (is_text(tag->name, "addrRemap"))
        return take_unit(reader, tag);
    return true;
}

int32_t dlop_metadata_read(const char *text, size_t n_bytes, struct dlop_metadata *metadata_out,
                           char *reason_out, size_t size)
{
    const struct span none = {NULL, NULL};
    const char *end = n_bytes == 0 ? NULL : memchr(text, 0, n_bytes);
    struct reader reader = {.metadata = metadata_out,
                            .reason = size == 0 ? NULL : reason_out,
                            .reason_size = size,
                            .status = DLOP_OK};
    struct tag tag = {{NULL, NULL}, {NULL, NULL}, false};

    memset(metadata_out, 0, sizeof(*metadata_out));
    reader.rest.begin = text;
    reader.rest.end = end != NULL ? end : text + n_bytes;
    while (next_tag(&reader, &tag)) {
        if (!take_tag(&reader, &tag))
            return reader.status;
    }
    if (reader.status != DLOP_OK)
        return reader.status;
    if (reader.kernel != NULL)
        refuse(&reader, DLOP_ERR_BAD_DATA, "kernel without end", none);
    else if (metadata_out->n_units == 0)
        refuse(&reader, DLOP_ERR_BAD_DATA, "no compute unit", none);
    return reader.status;
}
