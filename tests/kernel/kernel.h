/* What every kernel test includes: cmocka with the headers that it wants before it, and the
 * helpers of this folder. */
#ifndef DLOP_TESTS_KERNEL_KERNEL_H
#define DLOP_TESTS_KERNEL_KERNEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/kernel/guard.h"
#include "tests/kernel/random.h"

#endif
