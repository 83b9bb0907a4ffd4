// SPDX-License-Identifier: Apache-2.0
// probe: what volume an image or device holds, and where it is mounted, without mounting or locking it: for
// scripts and for people, in the form of blkid -o export.
#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

enum { UUID_TEXT = 37, NUMBER_TEXT = 24, FACTS_MAX = 20 };

// One line, or one member: key in capitals and for JSON; text NULL: number.
struct fact {
    const char *key, *json_key, *text;
    uint64_t number;
};

struct probe {
    struct hf_identity volume;
    char uuid[UUID_TEXT], serial[NUMBER_TEXT], point[PATH_MAX];
    struct time_text created, committed;
};

static void uuid_print(const uint8_t *uuid, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = digits[uuid[i] >> 4];
        *out++ = digits[uuid[i] & 15];
    }
    *out = 0;
}

// There is no unclean state: what a volume holds is its last commit, whoever died afterwards.
static const char *state_of(const char *path, const struct probe *p)
{
    if (p->point[0])
        return "mounted";
    if (*image_holder(path))
        return "in-use";
    return p->volume.superblocks < p->volume.copies ? "damaged-superblock" : "clean";
}

static int facts_list(const char *path, const struct probe *p, struct fact *facts)
{
    const struct hf_identity *v = &p->volume;
    int n = 0;
    facts[n++] = (struct fact){"DEVNAME", "device", path, 0};
    facts[n++] = (struct fact){"TYPE", "type", "holdfast", 0};
    facts[n++] = (struct fact){"USAGE", "usage", "filesystem", 0};
    facts[n++] = (struct fact){"VERSION", "version", NULL, v->version};
    facts[n++] = (struct fact){"UUID", "uuid", p->uuid, 0};
    facts[n++] = (struct fact){"SERIAL", "serial", p->serial, 0};
    if (v->label[0])
        facts[n++] = (struct fact){"LABEL", "label", v->label, 0};
    facts[n++] = (struct fact){"BLOCK_SIZE", "block_size", NULL, v->sector};
    facts[n++] = (struct fact){"FSBLOCKSIZE", "cluster", NULL, v->cluster};
    facts[n++] = (struct fact){"FSSIZE", "size", NULL, v->size};
    facts[n++] = (struct fact){"FSFREE", "free", NULL, v->free};
    facts[n++] = (struct fact){"COPIES", "copies", NULL, v->copies};
    facts[n++] = (struct fact){"SUPERBLOCKS", "superblocks", NULL, v->superblocks};
    facts[n++] = (struct fact){"GENERATION", "generation", NULL, v->generation};
    facts[n++] = (struct fact){"CREATED", "created", p->created.text, 0};
    facts[n++] = (struct fact){"COMMITTED", "committed", p->committed.text, 0};
    facts[n++] = (struct fact){"FEATURES", "features", v->features, 0};
    facts[n++] = (struct fact){"STATE", "state", state_of(path, p), 0};
    if (p->point[0])
        facts[n++] = (struct fact){"MOUNTPOINT", "mountpoint", p->point, 0};
    return n;
}

// A shell may read the line: what means something to it is escaped.
static void value_print(const char *text)
{
    for (const char *c = text; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte < 0x20 || byte == 0x7f) {
            printf("?");
            continue;
        }
        if (byte < 0x80 && !isalnum(byte) && !strchr("_-.,:/@%+", byte))
            putchar('\\');
        putchar(byte);
    }
}

static void probe_print(const struct fact *facts, int count)
{
    for (int i = 0; i < count; i++) {
        printf("%s=", facts[i].key);
        if (facts[i].text)
            value_print(facts[i].text);
        else
            printf("%" PRIu64, facts[i].number);
        putchar('\n');
    }
}

static struct json_object *probe_json(const struct fact *facts, int count)
{
    struct json_object *object = json_object_new_object();
    for (int i = 0; i < count; i++) {
        if (facts[i].text)
            json_add_text(object, facts[i].json_key, facts[i].text);
        else
            json_add_number(object, facts[i].json_key, facts[i].number);
    }
    return object;
}

static nt_status identify(const char *path, struct hf_identity *out)
{
    char *spec = image_spec(path);
    nt_status status = hf_identify(spec, out);
    free(spec);
    return status;
}

static bool probe_read(const char *path, struct probe *p)
{
    nt_status status = identify(path, &p->volume);
    if (status == STATUS_UNRECOGNIZED_VOLUME) {
        note(path, "not a Holdfast volume");
        return false;
    }
    if (status != STATUS_SUCCESS) {
        fail_status(path, status, "cannot identify");
        return true;
    }
    uuid_print(p->volume.uuid, p->uuid);
    snprintf(p->serial, sizeof p->serial, "%04X-%04X", p->volume.serial >> 16, p->volume.serial & 0xffff);
    p->created = time_text(p->volume.created);
    p->committed = time_text(p->volume.committed);
    if (hf_mount_with(path, p->point, sizeof p->point) != STATUS_SUCCESS)
        p->point[0] = 0;
    return true;
}

void command_probe(const struct args *args)
{
    struct json_object *array = option_given(args, "json") ? json_object_new_array() : NULL;
    bool foreign = false, printed = false;
    for (int i = 0; i < args->count; i++) {
        struct probe p = {0};
        struct fact facts[FACTS_MAX];
        foreign |= !probe_read(args->words[i], &p);
        if (!p.volume.version)
            continue;
        int count = facts_list(args->words[i], &p, facts);
        if (array) {
            json_object_array_add(array, probe_json(facts, count));
            continue;
        }
        if (printed)
            putchar('\n');
        probe_print(facts, count);
        printed = true;
    }
    if (array)
        out_json(array);
    if (foreign && out_result() == RESULT_OK)
        exit(RESULT_FOREIGN);
}
