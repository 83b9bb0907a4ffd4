// SPDX-License-Identifier: Apache-2.0
// The few functions behind base.h that are not worth inlining: the clock and the end of a broken assertion.
#include "base/base.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

_Noreturn void base_assert_failed(const char *expr, const char *file, int line)
{
    fprintf(stderr, "holdfast: %s:%d: assertion failed: %s\n", file, line, expr);
    abort();
}

#ifdef HOLDFAST_DEBUG
bool base_mutex_is_held(const pthread_mutex_t *m)
{
#ifdef __GLIBC__
    return m->__data.__owner == gettid();
#else
    (void)m; // another C library does not say
    return true;
#endif
}
#endif

u64 time_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return TIME_UNIX_EPOCH + (u64)now.tv_sec * 10000000ull + (u64)now.tv_nsec / 100;
}
