/* The vectors of build/vectors (make_vectors), one at a time. Include after cmocka.h. */
#ifndef DLOP_TESTS_VECTORS_VECTORS_H
#define DLOP_TESTS_VECTORS_VECTORS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VECTORS           "build/vectors/"
#define VECTOR_MAX_BYTES  (1u << 18)
#define VECTOR_MAX_PIXELS (1u << 16)

/* A line of the manifest with its file: status name ("-" where several are right), a part of the
 * reason, size and pixels [height][width][3] by Pillow, 0 x 0 where Pillow raises. */
struct vector {
    char path[100], status[40], reason[60];
    uint32_t width_px, height_px;
    size_t n_bytes;
    uint8_t bytes[VECTOR_MAX_BYTES];
    uint8_t rgb[3 * VECTOR_MAX_PIXELS];
};

static inline size_t vector_read_file(const char *path, uint8_t *bytes_out, size_t size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(bytes_out, 1, size, file);
    fclose(file);
    assert_true(n < size);
    return n;
}

static inline void vector_read(char *line, struct vector *vector)
{
    char *fields[5] = {0}, *rest = line, path[200];

    for (int i = 0; i < 5; i++)
        fields[i] = strsep(&rest, "\t\n");
    assert_non_null(fields[4]);
    snprintf(vector->path, sizeof(vector->path), "%s", fields[0]);
    snprintf(vector->status, sizeof(vector->status), "%s", fields[1]);
    snprintf(vector->reason, sizeof(vector->reason), "%s", fields[2]);
    vector->width_px = (uint32_t)strtoul(fields[3], NULL, 10);
    vector->height_px = (uint32_t)strtoul(fields[4], NULL, 10);
    snprintf(path, sizeof(path), VECTORS "%s", vector->path);
    vector->n_bytes = vector_read_file(path, vector->bytes, sizeof(vector->bytes));
    strcpy(strrchr(path, '.'), ".rgb");
    size_t n_rgb = vector_read_file(path, vector->rgb, sizeof(vector->rgb));
    assert_int_equal(n_rgb, (size_t)vector->width_px * vector->height_px * 3);
}

/* Call check for each vector whose path begins with prefix; at least 10 must. */
static inline void for_each_vector(const char *prefix, void (*check)(const struct vector *vector))
{
    static struct vector vector;
    char line[300];
    unsigned n = 0;
    FILE *manifest = fopen(VECTORS "manifest.tsv", "r");

    if (manifest == NULL) {
        print_message("SKIP vectors: " VECTORS " is missing (make vectors)\n");
        skip();
    }
    while (fgets(line, sizeof(line), manifest) != NULL) {
        if (strncmp(line, prefix, strlen(prefix)) != 0)
            continue;
        vector_read(line, &vector);
        check(&vector);
        n++;
    }
    fclose(manifest);
    assert_true(n >= 10);
}

#endif
