/* What the files of the driver suite share: the driver under test, photographs, filled kits. */
#ifndef DLOP_TESTS_DRIVER_SUITE_H
#define DLOP_TESTS_DRIVER_SUITE_H

#include "tests/driver/kit.h"

#define SUITE_MAX_PHOTOS 12

extern const struct dlop_driver *suite_driver;
extern struct photo suite_photos[SUITE_MAX_PHOTOS];
extern u32 suite_n_photos;

/* A device of the driver under test. */
struct dlop_device *suite_open(u32 n_threads);
const struct photo *suite_any_photo(struct random_state *random);
/* n_jobs of all kinds in turn, with what is expected of them. */
void suite_fill(struct kit *kit, struct random_state *random, u32 n_jobs);

/* The cases of suite_launches.c; returns how many failed. */
int suite_run_launches(const char *group);

#endif
