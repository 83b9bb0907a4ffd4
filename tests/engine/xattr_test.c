// SPDX-License-Identifier: Apache-2.0
// Extended attributes: values of every length that matters, names of any bytes, what replacing and removing
// leaves behind, and records that no writer would make.
#include "tests/test.h"

#include "engine/store.h"
#include "engine/xattr.h"
#include "tests/engine/volume.h"

static const u32 lengths[] = {0,     1,     4091,  4092,  4093,  8187,  8188, 8189,
                              12284, 30000, 65531, 65532, 65533, 65535, 65536};

static u8 value_byte(u32 i, u32 salt)
{
    return (u8)(i * 7 + (i >> 8) * 13 + salt);
}

static nt_status set(struct volume *v, u64 id, struct str name, u32 length, u32 salt)
{
    struct txn *t;
    SCOPE_FREE u8 *value = malloc(length + 1ull);
    for (u32 i = 0; i < length; i++)
        value[i] = value_byte(i, salt);
    assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
    return txn_end(t, xattr_set(t, id, name, value, length));
}

static nt_status drop(struct volume *v, u64 id, struct str name)
{
    struct txn *t;
    assert_ok(txn_begin(v->store, TXN_FREEING, &t));
    return txn_end(t, xattr_remove(t, id, name));
}

static void expect(struct volume *v, u64 id, struct str name, u32 length, u32 salt)
{
    SCOPE_FREE u8 *back = malloc(XATTR_VALUE_MAX);
    u32 got;
    assert_ok(xattr_get(v->store, id, name, NULL, 0, &got));
    assert_int_equal(got, length);
    assert_ok(xattr_get(v->store, id, name, back, XATTR_VALUE_MAX, &got));
    assert_int_equal(got, length);
    for (u32 i = 0; i < length; i++)
        if (back[i] != value_byte(i, salt))
            fail_msg("byte %u of %u is wrong", i, length);
    if (length < 2)
        return;
    assert_status(xattr_get(v->store, id, name, back, length - 1, &got), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(got, length);
}

static u32 count_records(struct volume *v, u64 id)
{
    struct key key;
    struct record record;
    u32 n = 0;
    key_begin(&key, id, KIND_XATTR);
    for (; tree_find(v->store, &key, TREE_ABOVE, &record) == STATUS_SUCCESS; key = record.key) {
        if (!key_belongs(&record.key, id, KIND_XATTR))
            break;
        n++;
    }
    return n;
}

static void values_of_every_length(void **state)
{
    (void)state;
    struct volume v;
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    u64 id = volume_create(&v, OBJECT_ROOT, "f", false);
    for (u32 i = 0; i < ARRAY_LEN(lengths); i++) {
        char name[16];
        u32 len = (u32)snprintf(name, sizeof name, "user.%u", lengths[i]);
        assert_ok(set(&v, id, (struct str){name, len}, lengths[i], i));
        if (i % 4 == 3)
            volume_reopen(&v);
    }
    volume_reopen(&v);
    for (u32 i = 0; i < ARRAY_LEN(lengths); i++) {
        char name[16];
        u32 len = (u32)snprintf(name, sizeof name, "user.%u", lengths[i]);
        expect(&v, id, (struct str){name, len}, lengths[i], i);
    }
    volume_check(&v);
    assert_status(set(&v, id, STR("user.more"), XATTR_VALUE_MAX + 1, 0), STATUS_EA_TOO_LARGE);
    assert_status(set(&v, id, STR("user.most"), UINT32_MAX - 1, 0), STATUS_EA_TOO_LARGE);
    volume_free(&v);
}

// Every length after every other: what is left of the longer value is gone.
static void a_value_replaces_another(void **state)
{
    (void)state;
    struct volume v;
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    u64 id = volume_create(&v, OBJECT_ROOT, "f", false);
    assert_ok(set(&v, id, STR("user.a"), 5, 1));
    assert_ok(set(&v, id, STR("user.a.b"), 5000, 2));
    for (u32 i = 0; i < ARRAY_LEN(lengths); i++) {
        for (u32 j = 0; j < ARRAY_LEN(lengths); j++) {
            assert_ok(set(&v, id, STR("user.a.a"), lengths[i], i));
            assert_ok(set(&v, id, STR("user.a.a"), lengths[j], j + 100));
            expect(&v, id, STR("user.a.a"), lengths[j], j + 100);
            assert_int_equal(count_records(&v, id), 3 + xattr_pieces(lengths[j]));
        }
        assert_ok(drop(&v, id, STR("user.a.a")));
        assert_int_equal(count_records(&v, id), 3);
    }
    expect(&v, id, STR("user.a"), 5, 1);
    expect(&v, id, STR("user.a.b"), 5000, 2);
    volume_check(&v);
    volume_free(&v);
}

static void a_failed_transaction_leaves_the_old_value(void **state)
{
    (void)state;
    struct volume v;
    struct txn *t;
    u8 value[20000] = {0};
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    u64 id = volume_create(&v, OBJECT_ROOT, "f", false);
    assert_ok(set(&v, id, STR("user.a"), 50000, 1));
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(xattr_set(t, id, STR("user.a"), value, sizeof value));
    assert_ok(xattr_set(t, id, STR("user.b"), value, sizeof value));
    assert_status(txn_end(t, STATUS_CANCELLED), STATUS_CANCELLED);
    expect(&v, id, STR("user.a"), 50000, 1);
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(xattr_remove(t, id, STR("user.a")));
    assert_status(txn_end(t, STATUS_CANCELLED), STATUS_CANCELLED);
    expect(&v, id, STR("user.a"), 50000, 1);
    assert_int_equal(count_records(&v, id), xattr_pieces(50000));
    volume_check(&v);
    volume_free(&v);
}

static void names_are_bytes(void **state)
{
    (void)state;
    static const struct str bad[] = {{"", 0}, {"a\0b", 3}, {"\0", 1}};
    struct volume v;
    char longest[XATTR_NAME_MAX + 1];
    u32 length;
    struct xattr_position p = {0};
    memset(longest, 0xFF, sizeof longest);
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    u64 id = volume_create(&v, OBJECT_ROOT, "f", false);
    for (u32 i = 0; i < ARRAY_LEN(bad); i++) {
        assert_status(set(&v, id, bad[i], 1, 0), STATUS_INVALID_PARAMETER);
        assert_status(drop(&v, id, bad[i]), STATUS_INVALID_PARAMETER);
        assert_status(xattr_get(v.store, id, bad[i], NULL, 0, &length), STATUS_INVALID_PARAMETER);
    }
    assert_status(set(&v, id, (struct str){longest, sizeof longest}, 1, 0), STATUS_INVALID_PARAMETER);
    struct str most = {longest, XATTR_NAME_MAX};
    assert_ok(set(&v, id, most, XATTR_VALUE_MAX, 1));
    assert_ok(set(&v, id, STR("\xFF\xFE/not UTF-8"), 9000, 2));
    assert_ok(set(&v, id, STR("User.x"), 3, 3)); // case counts, whatever the volume does with file names
    assert_ok(set(&v, id, STR("user.x"), 4, 4));
    expect(&v, id, most, XATTR_VALUE_MAX, 1);
    static const struct {
        struct str name;
        u32 length;
    } order[] = {
        {{"User.x", 6}, 3}, {{"user.x", 6}, 4}, {{"\xFF\xFE/not UTF-8", 12}, 9000}, {{NULL, 255}, 65536}};
    for (u32 i = 0; i < ARRAY_LEN(order); i++) {
        assert_ok(xattr_next(v.store, id, &p, &length));
        assert_int_equal(p.name_len, order[i].name.len);
        assert_memory_equal(p.name, order[i].name.p ? order[i].name.p : longest, p.name_len);
        assert_int_equal(length, order[i].length);
    }
    assert_status(xattr_next(v.store, id, &p, &length), STATUS_NO_MORE_FILES);
    assert_int_equal(length, 0);
    volume_check(&v);
    volume_free(&v);
}

static void what_is_not_there(void **state)
{
    (void)state;
    struct volume v;
    struct xattr_position p = {0};
    u32 length = 1;
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    u64 id = volume_create(&v, OBJECT_ROOT, "f", false);
    u64 other = volume_create(&v, OBJECT_ROOT, "g", false);
    assert_status(xattr_get(v.store, id, STR("user.x"), NULL, 0, &length), STATUS_NONEXISTENT_EA_ENTRY);
    assert_int_equal(length, 0);
    assert_status(drop(&v, id, STR("user.x")), STATUS_NONEXISTENT_EA_ENTRY);
    assert_status(xattr_next(v.store, id, &p, &length), STATUS_NO_MORE_FILES);
    // Neither the neighbour's nor those with longer and shorter names.
    assert_ok(set(&v, other, STR("user.x"), 1, 0));
    assert_ok(set(&v, id, STR("user.xx"), 1, 0));
    assert_ok(set(&v, id, STR("user."), 1, 0));
    assert_status(xattr_get(v.store, id, STR("user.x"), NULL, 0, &length), STATUS_NONEXISTENT_EA_ENTRY);
    assert_status(drop(&v, id, STR("user.x")), STATUS_NONEXISTENT_EA_ENTRY);
    assert_int_equal(count_records(&v, id), 2);
    volume_free(&v);
}

static void they_go_with_their_file(void **state)
{
    (void)state;
    struct volume v;
    struct store_info before, after;
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    store_get_info(v.store, &before);
    u64 id = volume_create(&v, OBJECT_ROOT, "f", false);
    for (u32 i = 0; i < 20; i++) {
        char name[16];
        u32 len = (u32)snprintf(name, sizeof name, "user.%u", i);
        assert_ok(set(&v, id, (struct str){name, len}, 3000 * i, i));
    }
    volume_check(&v);
    volume_delete(&v, OBJECT_ROOT, "f");
    assert_int_equal(count_records(&v, id), 0);
    volume_check(&v);
    assert_ok(store_commit(v.store));
    store_get_info(v.store, &after);
    assert_int_equal(after.free_clusters, before.free_clusters);
    volume_free(&v);
}

// --- records that no writer would make -----------------------------------------------------------

static void put(struct volume *v, u64 id, const char *tail, u32 tail_len, const void *value, u32 len)
{
    struct txn *t;
    struct key key;
    key_begin(&key, id, KIND_XATTR);
    key_add(&key, tail, tail_len);
    assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, tree_put(t, &key, value, len)));
}

static void cut(struct volume *v, u64 id, const char *tail, u32 tail_len)
{
    struct txn *t;
    struct key key;
    key_begin(&key, id, KIND_XATTR);
    key_add(&key, tail, tail_len);
    assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, tree_delete(t, &key)));
}

struct complaint {
    u64 object;
    u32 count;
    char text[100];
};

static void complain(void *context, const struct check_finding *f)
{
    struct complaint *c = context;
    c->count++;
    c->object = f->kind == CHECK_RECORD ? f->object : 0;
    snprintf(c->text, sizeof c->text, "%s", f->text);
}

static void check_says(struct volume *v, u64 object, u32 count, const char *text)
{
    struct complaint c = {0};
    struct check_totals totals;
    struct check_options options = {.finding = complain, .context = &c};
    assert_status(store_check(v->store, &options, &totals), STATUS_DISK_CORRUPT_ERROR);
    assert_int_equal(c.count, count);
    assert_int_equal(c.object, object);
    assert_string_equal(c.text, text);
}

static void a_part_is_never_given_for_the_whole(void **state)
{
    (void)state;
    struct volume v;
    SCOPE_FREE u8 *back = malloc(XATTR_VALUE_MAX);
    u32 length;
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    u64 id = volume_create(&v, OBJECT_ROOT, "f", false);
    for (u32 piece = 0; piece < 3; piece++) {
        char tail[] = {'a', 0, 0, (char)piece};
        assert_ok(set(&v, id, STR("a"), 10000, 1));
        cut(&v, id, tail, sizeof tail);
        nt_status expected = piece == 0 ? STATUS_NONEXISTENT_EA_ENTRY : STATUS_FILE_CORRUPT_ERROR;
        assert_status(xattr_get(v.store, id, STR("a"), back, XATTR_VALUE_MAX, &length), expected);
        assert_int_equal(length, 0);
        // Without the first piece both others say so.
        check_says(&v, id, piece == 0 ? 2 : 1, "an extended attribute of this file cannot be read");
        // A short piece is as bad as none.
        put(&v, id, tail, sizeof tail, "\x10\x27\0\0", 4);
        assert_status(xattr_get(v.store, id, STR("a"), back, XATTR_VALUE_MAX, &length),
                      STATUS_FILE_CORRUPT_ERROR);
        // Removing takes every piece, and a new value is whole again.
        cut(&v, id, tail, sizeof tail);
        assert_ok(drop(&v, id, STR("a")));
        assert_int_equal(count_records(&v, id), 0);
    }
    assert_ok(set(&v, id, STR("a"), 10000, 1));
    put(&v, id, "a\0\0\3", 4, "stray", 5);
    expect(&v, id, STR("a"), 10000, 1);
    check_says(&v, id, 1, "an extended attribute has more pieces than its length asks for");
    assert_ok(set(&v, id, STR("a"), 9000, 2));
    expect(&v, id, STR("a"), 9000, 2);
    volume_check(&v);
    volume_free(&v);
}

static void odd_records(void **state)
{
    (void)state;
    static const struct {
        const char *tail;
        u32 tail_len;
        const char *value;
        u32 len;
    } odd[] = {{"", 0, "", 0},
               {"\0\0\0", 3, "\0\0\0\0", 4},
               {"a", 1, "\0\0\0\0", 4},
               {"a\0\0", 3, "\0\0\0\0", 4},
               {"a\0b\0\0\0", 6, "\0\0\0\0", 4},
               {"a\0\0\0", 4, "", 0},
               {"a\0\0\0", 4, "\0\0\0", 3},
               {"a\0\0\0", 4, "\1\0\0\0", 4},
               {"a\0\0\0", 4, "\0\0\0\0x", 5},
               {"a\0\0\0", 4, "\1\0\1\0", 4},
               {"a\0\0\0", 4, "\xFF\xFF\xFF\xFF", 4},
               {"a\0\0\1", 4, "x", 1}};
    struct volume v;
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    u64 id = volume_create(&v, OBJECT_ROOT, "f", false);
    for (u32 i = 0; i < ARRAY_LEN(odd); i++) {
        struct xattr_position p = {0};
        struct check_totals totals;
        struct check_options options = {0};
        u8 back[16];
        u32 length;
        put(&v, id, odd[i].tail, odd[i].tail_len, odd[i].value, odd[i].len);
        if (odd[i].tail_len > 0) // else it is before all others
            assert_status(xattr_next(v.store, id, &p, &length), STATUS_FILE_CORRUPT_ERROR);
        nt_status status = xattr_get(v.store, id, STR("a"), back, sizeof back, &length);
        assert_true(status == STATUS_FILE_CORRUPT_ERROR || status == STATUS_NONEXISTENT_EA_ENTRY);
        assert_status(store_check(v.store, &options, &totals), STATUS_DISK_CORRUPT_ERROR);
        assert_int_equal(totals.findings, 1);
        cut(&v, id, odd[i].tail, odd[i].tail_len);
    }
    put(&v, id + 100, "a\0\0\0", 4, "\0\0\0\0", 4);
    check_says(&v, id + 100, 1, "an extended attribute belongs to no file");
    volume_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_every_length),
        cmocka_unit_test(a_value_replaces_another),
        cmocka_unit_test(a_failed_transaction_leaves_the_old_value),
        cmocka_unit_test(names_are_bytes),
        cmocka_unit_test(what_is_not_there),
        cmocka_unit_test(they_go_with_their_file),
        cmocka_unit_test(a_part_is_never_given_for_the_whole),
        cmocka_unit_test(odd_records),
    };
    return cmocka_run_group_tests_name("xattr", tests, NULL, NULL);
}
