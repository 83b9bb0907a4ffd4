// SPDX-License-Identifier: Apache-2.0
// Reparse data of every length, the index of tags, and the entries that say that there is none.
#include "tests/test.h"

#include "tests/engine/objects.h"

static void reparse_data_of_every_length(void **state)
{
    (void)state;
    struct volume v;
    static u8 data[16385], back[16385];
    u32 length, rng = 1;
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    u64 id = volume_create(&v, OBJECT_ROOT, "f", false);
    assert_status(reparse_get(v.store, id, back, sizeof back, &length), STATUS_NOT_A_REPARSE_POINT);
    assert_status(reparse_replace(&v, id, data, 0), STATUS_NOT_A_REPARSE_POINT);
    for (u32 i = 0; i < sizeof data; i++)
        data[i] = (u8)volume_random(&rng, 256);
    // Every 61st length, and all near the ends of records.
    for (u32 len = 4; len <= 16384; len++) {
        if (len % 61 != 0 && len > 20 && (len + 3) % 4096 > 6)
            continue;
        assert_ok(reparse_replace(&v, id, data, len));
        if (len % 3 == 0)
            store_purge(v.store);
        memset(back, 0, sizeof back);
        assert_ok(reparse_get(v.store, id, back, sizeof back, &length));
        assert_int_equal(length, len);
        assert_memory_equal(back, data, len);
        assert_int_equal(back[len], 0);
        assert_ok(reparse_get(v.store, id, back, len, &length));
        assert_status(reparse_get(v.store, id, back, len - 1, &length), STATUS_BUFFER_TOO_SMALL);
    }
    assert_ok(reparse_replace(&v, id, data, 16384));
    assert_ok(reparse_get(v.store, id, back, sizeof back, &length));
    assert_int_equal(length, 16384);
    assert_ok(reparse_replace(&v, id, data, 4096)); // shorter: nothing of the old one is left
    assert_ok(reparse_get(v.store, id, back, sizeof back, &length));
    assert_int_equal(length, 4096);
    assert_status(reparse_replace(&v, id, data, 3), STATUS_IO_REPARSE_DATA_INVALID);
    assert_status(reparse_replace(&v, id, data, 16385), STATUS_IO_REPARSE_DATA_INVALID);
    volume_check(&v);
    assert_ok(reparse_replace(&v, id, data, 0));
    assert_status(reparse_get(v.store, id, back, sizeof back, &length), STATUS_NOT_A_REPARSE_POINT);
    volume_check(&v);
    volume_free(&v);
}

static void reparse_data_make_no_entry_plain(void **state)
{
    (void)state;
    static const u8 data[8] = {0x42};
    struct volume v;
    struct txn *t;
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    u64 d = volume_create(&v, OBJECT_ROOT, "d", true), f = volume_create(&v, OBJECT_ROOT, "f", false);
    assert_ok(reparse_replace(&v, f, data, sizeof data));
    assert_ok(reparse_replace(&v, d, data, sizeof data));
    assert_true(!name_is_plain(&v, OBJECT_ROOT, "f") && !name_is_plain(&v, OBJECT_ROOT, "d"));
    volume_check(&v);
    assert_ok(name_move(&v, OBJECT_ROOT, "f", OBJECT_ROOT, "g", STATUS_SUCCESS));
    assert_false(name_is_plain(&v, OBJECT_ROOT, "g"));
    // Behind streams they count too, and streams alone do not.
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, stream_create(t, f, STR("s"), 0)));
    assert_ok(name_move(&v, OBJECT_ROOT, "g", OBJECT_ROOT, "f", STATUS_SUCCESS));
    assert_false(name_is_plain(&v, OBJECT_ROOT, "f"));
    assert_ok(reparse_replace(&v, f, data, 0));
    assert_false(name_is_plain(&v, OBJECT_ROOT, "f")); // as before
    assert_ok(name_move(&v, OBJECT_ROOT, "f", OBJECT_ROOT, "g", STATUS_SUCCESS));
    assert_true(name_is_plain(&v, OBJECT_ROOT, "g"));
    volume_check(&v);
    volume_free(&v);
}

// Whichever of the names it is.
static void reparse_data_clear_one_of_many_names(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    static const u8 data[8] = {0x42};
    enum { NAMES = ARRAY_LEN(names) };
    for (u32 first = 0; first < NAMES; first++) {
        struct volume v;
        struct txn *t;
        volume_make(&v, 8 * MIB, 4096, 2, 0);
        u64 dirs[2] = {volume_create(&v, OBJECT_ROOT, "x", true), OBJECT_ROOT};
        u64 f = volume_create(&v, dirs[first % 2], names[first], false);
        for (u32 i = 0; i < NAMES; i++)
            if (i != first)
                assert_ok(name_add(&v, dirs[i % 2], names[i], f, false));
        links_set(&v, f, NAMES);
        for (u32 i = 0; i < NAMES; i++)
            assert_int_equal(name_is_plain(&v, dirs[i % 2], names[i]), i == first);
        // What is undone has not happened.
        assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
        assert_ok(reparse_set(t, f, data, sizeof data));
        assert_false(name_is_plain(&v, dirs[first % 2], names[first]));
        assert_status(txn_end(t, STATUS_CANCELLED), STATUS_CANCELLED);
        assert_true(name_is_plain(&v, dirs[first % 2], names[first]));
        assert_ok(reparse_replace(&v, f, data, sizeof data));
        for (u32 i = 0; i < NAMES; i++)
            assert_false(name_is_plain(&v, dirs[i % 2], names[i]));
        assert_true(name_is_plain(&v, OBJECT_ROOT, "x"));
        volume_check(&v);
        volume_free(&v);
    }
}

static void the_tag_index(void **state)
{
    (void)state;
    static const u32 tags[] = {0xa000000c, 0xa0000003, 0x00000042, 0xa000000c, 0xffffffff, 0x00000042};
    struct volume v;
    u64 ids[ARRAY_LEN(tags)], id = 0;
    u32 tag = 0;
    u8 data[100] = {0};
    char name[8];
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    assert_status(reparse_next(v.store, &tag, &id), STATUS_NO_MORE_FILES);
    for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
        snprintf(name, sizeof name, "r%zu", i);
        ids[i] = volume_create(&v, OBJECT_ROOT, name, false);
        put_le32(data, tags[i]);
        assert_ok(reparse_replace(&v, ids[i], data, sizeof data));
    }
    static const size_t order[] = {2, 5, 1, 0, 3, 4};
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        assert_ok(reparse_next(v.store, &tag, &id));
        assert_int_equal(tag, tags[order[i]]);
        assert_int_equal(id, ids[order[i]]);
    }
    assert_status(reparse_next(v.store, &tag, &id), STATUS_NO_MORE_FILES);
    // Another tag, no tag, no file.
    put_le32(data, 0x43);
    assert_ok(reparse_replace(&v, ids[2], data, sizeof data));
    assert_ok(reparse_replace(&v, ids[5], data, 0));
    volume_delete(&v, OBJECT_ROOT, "r1");
    tag = 0;
    id = 0;
    static const size_t left[] = {2, 0, 3, 4};
    for (size_t i = 0; i < ARRAY_LEN(left); i++) {
        assert_ok(reparse_next(v.store, &tag, &id));
        assert_int_equal(id, ids[left[i]]);
    }
    assert_status(reparse_next(v.store, &tag, &id), STATUS_NO_MORE_FILES);
    volume_check(&v);
    volume_free(&v);
}

static void odd_reparse_data(struct volume *v)
{
    u8 buffer[MAXIMUM_REPARSE_DATA_BUFFER_SIZE] = {0};
    u32 length, tag = 0;
    u64 id;
    struct key key;
    struct txn *t;
    key_begin(&key, ODD, KIND_REPARSE);
    key_add_u64(&key, 0);
    assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, tree_put(t, &key, "", 0)));
    assert_status(reparse_get(v->store, ODD, buffer, sizeof buffer, &length), STATUS_FILE_CORRUPT_ERROR);
    for (u64 at = 0; at <= 4 * VALUE_MAX; at += VALUE_MAX) {
        key_begin(&key, ODD, KIND_REPARSE);
        key_add_u64(&key, at);
        assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
        assert_ok(txn_end(t, tree_put(t, &key, buffer, VALUE_MAX)));
    }
    assert_status(reparse_get(v->store, ODD, buffer, sizeof buffer, &length), STATUS_FILE_CORRUPT_ERROR);
    record_put(v, OBJECT_TAGS, KIND_TAG, 3, 0);
    assert_status(reparse_next(v->store, &tag, &id), STATUS_FILE_CORRUPT_ERROR);
}

static void reparse_data_of_impossible_lengths(void **state)
{
    (void)state;
    struct volume v;
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    odd_reparse_data(&v);
    check_reports(&v);
    volume_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reparse_data_of_every_length),
        cmocka_unit_test(reparse_data_make_no_entry_plain),
        cmocka_unit_test(reparse_data_clear_one_of_many_names),
        cmocka_unit_test(the_tag_index),
        cmocka_unit_test(reparse_data_of_impossible_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
