// SPDX-License-Identifier: Apache-2.0
// A page from the medium: whatever node_check lets through, every function of node.c must be able to work
// with, and what they make of it must pass node_check again. Input: level, mode, how many of the bytes stand
// at the page's start; the others stand at its end.
#include "tests/fuzz/fuzz.h"

#include "engine/store.h"

enum { MODE_HEAP = 1 }; // let heap and gaps be what the records say

static void fill(struct input *in, u8 *page)
{
    u8 mode = input_u8(in);
    size_t front = input_u16(in) % (PAGE_SIZE + 1u);
    front = MIN(front, in->left);
    size_t back = MIN(in->left - front, PAGE_SIZE - front);
    struct raw_page *head = (struct raw_page *)page;
    memset(page, 0, PAGE_SIZE);
    if (front > 0)
        memcpy(page, in->p, front);
    if (back > 0)
        memcpy(page + PAGE_SIZE - back, in->p + front, back);
    if (!(mode & MODE_HEAP))
        return;
    u32 heap = PAGE_SIZE, bytes = 0, slots = sizeof(struct raw_page);
    for (u32 i = 0; i < node_count(page) && slots + 2 * i + 2 <= PAGE_SIZE; i++) {
        u32 at = get_le16(page + slots + 2 * i);
        if (at + 4 > PAGE_SIZE)
            continue;
        heap = MIN(heap, at);
        bytes += 4u + get_le16(page + at) + get_le16(page + at + 2);
    }
    head->heap = to_le16((u16)heap);
    head->gaps = to_le16((u16)(PAGE_SIZE - heap - bytes));
}

static u64 read_all(const u8 *page, u32 level)
{
    u64 sum = node_used(page);
    for (u32 i = 0; i < node_count(page); i++) {
        bool found;
        struct slice key = node_key(page, i), value = node_value(page, i);
        FUZZ_ASSERT(node_search(page, key, &found) == i && found);
        for (u32 b = 0; b < value.len; b++)
            sum += value.p[b];
        if (level > 0)
            sum += node_child(page, i).birth;
    }
    return sum;
}

static void change(u8 *page, u32 level)
{
    static u8 other[PAGE_SIZE];
    u8 value[sizeof(struct raw_ptr)] = {0}, bytes[KEY_MAX];
    u32 count = node_count(page);
    node_init(other);
    node_move_tail(page, count - count / 2, other);
    FUZZ_ASSERT(node_count(page) + node_count(other) == count);
    FUZZ_ASSERT(count == 0 || node_check(page, level));
    // The first key of a page above the leaves is empty, so the second half is a leaf's page.
    FUZZ_ASSERT(level > 0 || node_check(other, level));
    memset(bytes, 0xff, sizeof bytes);
    struct slice key = {bytes, sizeof bytes};
    bool found;
    u32 at = node_search(page, key, &found);
    if (!found && (level == 0 || at > 0) && node_fits(page, key.len, sizeof value)) {
        node_insert(page, at, key, (struct slice){value, sizeof value});
        FUZZ_ASSERT(node_check(page, level));
    }
    while (node_count(page) > (level > 0)) {
        node_remove(page, node_count(page) - 1);
        FUZZ_ASSERT(node_check(page, level));
    }
}

static u64 read_space(const u8 *page, u32 level)
{
    const struct raw_space_ptr *raw = (const struct raw_space_ptr *)(page + sizeof(struct raw_page));
    u64 sum = 0;
    for (u32 i = 0; level > 0 && i < node_count(page); i++)
        sum += space_decode(raw + i).free;
    return sum;
}

static _Atomic u64 seen; // so that reading is not optimised away

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    u8 *page = malloc(PAGE_SIZE);
    FUZZ_ASSERT(page != NULL);
    u32 level = input_u8(&in) % TREE_LEVELS_MAX;
    fill(&in, page);
    if (space_check(page, level))
        seen += read_space(page, level);
    if (node_check(page, level)) {
        seen += read_all(page, level);
        change(page, level);
    }
    free(page);
    return 0;
}
