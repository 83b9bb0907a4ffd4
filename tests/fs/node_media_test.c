// SPDX-License-Identifier: Apache-2.0
// POSIX callers while media come and go: another medium answers WRONG_VOLUME and is not touched, the right
// one is the same volume again. The drive is simulated and holds the volumes A and B.
#include "block/blk_sim.h"
#include "tests/fs/node.h"

enum { MEDIUM_SIZE = 8 << 20, A = 0, B = 1 };

static struct blk *sim;

static int setup(void **state)
{
    (void)state;
    struct store_format_options options = {.cluster = 4096, .options = OPTION_CASE_SENSITIVE};
    u32 medium;
    assert_ok(blk_sim_new(MEDIUM_SIZE, BLK_REMOVABLE, &sim));
    assert_ok(blk_sim_add_medium(sim, MEDIUM_SIZE, false, &medium));
    assert_int_equal(medium, B);
    blk_sim_insert(sim, B, false);
    assert_ok(store_format(sim, &options));
    blk_sim_insert(sim, A, false);
    assert_ok(store_format(sim, &options));
    volume_attach(&v, sim, true);
    node_root(&v, &root);
    return 0;
}

static void flush(void)
{
    struct file_object f;
    assert_ok(open_node(&root, &f, ROOT, FILE_WRITE_DATA));
    assert_ok(volume_flush(&f));
    assert_ok(volume_close(&f));
}

static u8 *copy_of(u32 medium)
{
    u8 *bytes = malloc(MEDIUM_SIZE);
    assert_non_null(bytes);
    blk_sim_peek(sim, medium, bytes, MEDIUM_SIZE, 0);
    return bytes;
}

static void the_same_medium_again(void **state)
{
    (void)state;
    struct hf_attr attr;
    u64 id = make_node(&root, ROOT, "f", S_IFREG | 0600);
    blk_sim_insert(sim, A, true);
    assert_ok(find(&root, ROOT, "f", &attr));
    blk_sim_insert(sim, A, true);
    assert_ok(hard_link(&root, id, ROOT, "g"));
    blk_sim_insert(sim, A, true);
    assert_ok(remove_node(&root, ROOT, "f", false));
    blk_sim_insert(sim, A, true);
    assert_ok(rename_node(&root, ROOT, "g", ROOT, "h", 0));
    blk_sim_insert(sim, A, true);
    attr = (struct hf_attr){.size = 100};
    assert_ok(set(&root, id, HF_ATTR_SIZE, &attr));
    assert_int_equal(attr.size, 100);
    blk_sim_insert(sim, A, true);
    assert_ok(remove_node(&root, ROOT, "h", false));
}

static void another_medium(void **state)
{
    (void)state;
    struct file_object f, d;
    struct hf_attr attr = {.mode = 0};
    struct hf_node_new what = {.mode = S_IFREG};
    u8 out[600];
    char text[16];
    u64 done, id = make_node(&root, ROOT, "f", S_IFREG | 0600), cookie;
    make_node(&root, ROOT, "g", S_IFREG | 0600);
    make_node(&root, ROOT, "h", S_IFREG | 0600);
    assert_ok(open_node(&root, &d, ROOT, FILE_LIST_DIRECTORY));
    assert_ok(list(&d, 0, 0, out, sizeof out, &done)); // ".", ".." and "f"
    memcpy(&cookie, out + offsetof(struct hf_node_entry, cookie), sizeof cookie);
    flush();
    u8 *before = copy_of(B);

    blk_sim_insert(sim, B, true);
    struct irp_node n = {.id = id, .name = STR("user.a"), .in = "x", .length = 1};
    assert_status(find(&root, ROOT, "f", &attr), STATUS_WRONG_VOLUME);
    assert_status(get(&root, id, &attr), STATUS_WRONG_VOLUME);
    assert_status(set(&root, id, HF_ATTR_MODE, &attr), STATUS_WRONG_VOLUME);
    assert_status(create(&root, ROOT, "x", &what, &attr), STATUS_WRONG_VOLUME);
    assert_status(hard_link(&root, id, ROOT, "x"), STATUS_WRONG_VOLUME);
    assert_status(remove_node(&root, ROOT, "f", false), STATUS_WRONG_VOLUME);
    assert_status(rename_node(&root, ROOT, "f", ROOT, "x", 0), STATUS_WRONG_VOLUME);
    assert_status(read_link(&root, id, text, sizeof text), STATUS_WRONG_VOLUME);
    assert_status(open_node(&root, &f, id, FILE_READ_DATA), STATUS_WRONG_VOLUME);
    assert_status(list(&d, cookie, 0, out, sizeof out, &done), STATUS_WRONG_VOLUME);
    assert_status(node_send(&root, IRP_MN_XATTR_SET, &n, NULL), STATUS_WRONG_VOLUME);
    u8 *after = copy_of(B);
    assert_memory_equal(after, before, MEDIUM_SIZE);
    free(before);
    free(after);

    blk_sim_insert(sim, A, true);
    assert_ok(get(&root, id, &attr));
    assert_ok(list(&d, cookie, 0, out, sizeof out, &done));
    assert_true(done > 0);
    assert_ok(volume_close(&d));
    assert_ok(remove_node(&root, ROOT, "f", false));
}

// What was unlinked but open goes with the medium: nobody could keep it apart any more.
static void an_unlinked_file_goes_with_its_medium(void **state)
{
    (void)state;
    struct file_object f;
    struct hf_attr attr;
    char data[4];
    u64 done, id = make_node(&root, ROOT, "f", S_IFREG | 0600);
    assert_ok(open_node(&root, &f, id, FILE_READ_DATA | FILE_WRITE_DATA));
    assert_ok(volume_write(&f, 0, "data", 4));
    assert_ok(remove_node(&root, ROOT, "f", false));
    flush();
    blk_sim_insert(sim, B, true);
    assert_status(volume_read(&f, 0, data, 4, &done), STATUS_WRONG_VOLUME);
    blk_sim_insert(sim, A, true);
    assert_status(volume_read(&f, 0, data, 4, &done), STATUS_FILE_INVALID);
    assert_status(get(&root, id, &attr), STATUS_FILE_INVALID);
    assert_ok(volume_close(&f));
}

// So does what has no name yet, unless it got one in time.
static void an_unnamed_file_goes_with_its_medium(void **state)
{
    (void)state;
    struct file_object f[3], refused;
    struct hf_node_new what = {.mode = S_IFREG | 0600};
    struct hf_attr attr[3], none;
    char data[4];
    u64 done;
    for (int i = 0; i < 3; i++) {
        assert_ok(open_unnamed(&root, &f[i], ROOT, &what, &attr[i]));
        assert_ok(volume_write(&f[i], 0, "data", 4));
    }
    blk_sim_insert(sim, A, true); // the same medium: nothing happened
    assert_ok(hard_link(&root, attr[0].id, ROOT, "f"));
    flush();
    assert_ok(hard_link(&root, attr[1].id, ROOT, "lost"));
    blk_sim_insert(sim, B, true);
    assert_status(hard_link(&root, attr[2].id, ROOT, "g"), STATUS_WRONG_VOLUME);
    assert_status(open_unnamed(&root, &refused, ROOT, &what, &none), STATUS_WRONG_VOLUME);
    blk_sim_insert(sim, A, true);
    assert_ok(volume_read(&f[0], 0, data, 4, &done));
    assert_int_equal(attr_of(&root, attr[0].id).links, 1);
    assert_status(volume_read(&f[2], 0, data, 4, &done), STATUS_FILE_INVALID);
    assert_status(hard_link(&root, attr[2].id, ROOT, "g"), STATUS_FILE_INVALID);
    for (int i = 0; i < 3; i++)
        assert_ok(volume_close(&f[i]));
}

static void no_medium(void **state)
{
    (void)state;
    struct hf_attr attr;
    u64 id = make_node(&root, ROOT, "f", S_IFREG | 0600);
    flush();
    blk_sim_remove(sim);
    assert_status(get(&root, id, &attr), STATUS_NO_MEDIA_IN_DEVICE);
    blk_sim_insert(sim, A, true);
    assert_ok(get(&root, id, &attr));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_same_medium_again, setup, node_teardown),
        cmocka_unit_test_setup_teardown(another_medium, setup, node_teardown),
        cmocka_unit_test_setup_teardown(an_unlinked_file_goes_with_its_medium, setup, node_teardown),
        cmocka_unit_test_setup_teardown(an_unnamed_file_goes_with_its_medium, setup, node_teardown),
        cmocka_unit_test_setup_teardown(no_medium, setup, node_teardown),
    };
    return cmocka_run_group_tests_name("fs/node_media", tests, NULL, NULL);
}
