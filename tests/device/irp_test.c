// SPDX-License-Identifier: Apache-2.0
// Names of requests; waiting and its end.
#include "tests/test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "device/irp.h"

static void every_request_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < IRP_MJ_COUNT; i++)
        assert_non_null(irp_major_name((enum irp_major)i));
    assert_string_equal(irp_major_name(IRP_MJ_DEVICE_CONTROL), "DEVICE_CONTROL");
    assert_string_equal(irp_major_name(IRP_MJ_COUNT), "UNKNOWN");
}

static void waits_to_the_end(void **state)
{
    (void)state;
    struct irp irp = {.major = IRP_MJ_READ};
    assert_ok(irp_wait(&irp, 0));
    assert_ok(irp_wait(&irp, 25));
}

static void a_cancelled_request_does_not_wait(void **state)
{
    (void)state;
    _Atomic bool cancel = true;
    struct irp irp = {.major = IRP_MJ_READ, .cancel = &cancel};
    assert_status(irp_wait(&irp, 0), STATUS_CANCELLED);
    assert_status(irp_wait(&irp, UINT32_MAX), STATUS_CANCELLED);
}

static void *set_cancel(void *cancel)
{
    atomic_store((_Atomic bool *)cancel, true);
    return NULL;
}

// Would run for 49 days if nobody looked at the flag.
static void cancel_ends_a_wait(void **state)
{
    (void)state;
    _Atomic bool cancel = false;
    pthread_t thread;
    struct irp irp = {.major = IRP_MJ_READ, .cancel = &cancel};
    assert_int_equal(pthread_create(&thread, NULL, set_cancel, &cancel), 0);
    assert_status(irp_wait(&irp, UINT32_MAX), STATUS_CANCELLED);
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_has_a_name),
        cmocka_unit_test(waits_to_the_end),
        cmocka_unit_test(a_cancelled_request_does_not_wait),
        cmocka_unit_test(cancel_ends_a_wait),
    };
    return cmocka_run_group_tests_name("irp", tests, NULL, NULL);
}
