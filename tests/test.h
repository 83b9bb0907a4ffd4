// SPDX-License-Identifier: Apache-2.0
// What every test program includes first: cmocka and a check for statuses that prints names.
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <holdfast/ntstatus.h>

static inline const char *test_status_name(nt_status status)
{
#define TEST_STATUS_NAME(name, value, win32) \
    if (status == name)                      \
        return #name;
    HF_STATUS_LIST(TEST_STATUS_NAME)
#undef TEST_STATUS_NAME
    return "a status that is not in the list";
}

#define assert_status(expr, expected)                                                            \
    do {                                                                                         \
        nt_status test_got = (expr);                                                             \
        if (test_got != (expected)) {                                                            \
            print_error("%s:%d: %s\n  gave %s (%08x), expected %s\n", __FILE__, __LINE__, #expr, \
                        test_status_name(test_got), (unsigned)test_got, #expected);              \
            fail();                                                                              \
        }                                                                                        \
    } while (0)
#define assert_ok(expr) assert_status(expr, STATUS_SUCCESS)

#endif
