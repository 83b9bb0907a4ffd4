// SPDX-License-Identifier: Apache-2.0
// Notes of threads, and the readers' lock made of them: what a writer changes nobody sees half done, however
// many threads there are.
#include "tests/test.h"

#include <sched.h>

#include "base/hold.h"

enum { NOTES = 8, LINES = 256 };

static void a_note_is_seen_until_it_is_dropped(void **state)
{
    (void)state;
    int a = 0, b = 0;
    assert_false(hold_is_noted(&a));
    assert_false(hold_drop(&a));
    assert_true(hold_note(&a));
    assert_true(hold_note(&b));
    assert_true(hold_note(&a));
    assert_true(hold_drop(&a));
    assert_true(hold_is_noted(&a)); // it was noted twice
    assert_true(hold_drop(&a));
    assert_false(hold_is_noted(&a));
    assert_true(hold_is_noted(&b));
    assert_true(hold_drop(&b));
    hold_wait(&b);
}

static void there_is_room_for_some(void **state)
{
    (void)state;
    char things[NOTES + 1] = {0};
    for (int i = 0; i < NOTES; i++)
        assert_true(hold_note(&things[i]));
    assert_false(hold_note(&things[NOTES]));
    for (int i = 0; i < NOTES; i++)
        assert_true(hold_drop(&things[i]));
    assert_true(hold_note(&things[NOTES]));
    assert_true(hold_drop(&things[NOTES]));
}

static struct hold lock;
static u64 left, right; // the same outside of writers
static _Atomic bool go, wrote;

static void *write_once(void *context)
{
    (void)context;
    SCOPE_HOLD_WRITE(&lock);
    atomic_store(&wrote, true);
    return NULL;
}

// The reader is only a note; the writer closes the lock and waits for it.
static void writers_wait_for_notes(void **state)
{
    (void)state;
    pthread_t writer;
    hold_init(&lock);
    atomic_store(&wrote, false);
    hold_read(&lock);
    assert_true(hold_is_noted(&lock));
    assert_int_equal(pthread_create(&writer, NULL, write_once, NULL), 0);
    while (atomic_load(&lock.open))
        sched_yield();
    assert_false(atomic_load(&wrote));
    hold_release(&lock);
    pthread_join(writer, NULL);
    assert_true(atomic_load(&wrote));
    hold_destroy(&lock);
}

static void readers_open_it_again(void **state)
{
    (void)state;
    hold_init(&lock);
    hold_write(&lock);
    hold_release(&lock);
    int closed = 0;
    for (; closed < 1000; closed++) {
        hold_read(&lock);
        bool noted = hold_is_noted(&lock);
        hold_release(&lock);
        if (noted)
            break;
    }
    // Not at once: a writer that comes often shall not search for notes each time.
    assert_in_range(closed, 2, 999);
    hold_write(&lock);
    assert_false(atomic_load(&lock.open));
    hold_release(&lock);
    hold_destroy(&lock);
}

static void *mix(void *context)
{
    u64 seed = (uintptr_t)context, differ = 0;
    while (!atomic_load(&go))
        sched_yield();
    for (int i = 0; i < 400; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        if (seed >> 40 & 63) {
            SCOPE_HOLD_READ(&lock);
            differ += left != right;
        } else {
            SCOPE_HOLD_WRITE(&lock);
            left++;
            sched_yield();
            right++;
        }
    }
    return (void *)(uintptr_t)differ;
}

// More threads than there are lines: some have to do without.
static void nobody_sees_a_change_half_done(void **state)
{
    (void)state;
    static pthread_t threads[LINES + 20];
    hold_init(&lock);
    left = right = 0;
    atomic_store(&go, false);
    for (u32 i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, mix, (void *)(uintptr_t)(i + 1)), 0);
    atomic_store(&go, true);
    for (u32 i = 0; i < ARRAY_LEN(threads); i++) {
        void *differ;
        pthread_join(threads[i], &differ);
        assert_null(differ);
    }
    assert_int_equal(left, right);
    assert_false(hold_is_noted(&lock));
    hold_destroy(&lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_note_is_seen_until_it_is_dropped),
        cmocka_unit_test(there_is_room_for_some),
        cmocka_unit_test(writers_wait_for_notes),
        cmocka_unit_test(readers_open_it_again),
        cmocka_unit_test(nobody_sees_a_change_half_done),
    };
    return cmocka_run_group_tests_name("hold", tests, NULL, NULL);
}
