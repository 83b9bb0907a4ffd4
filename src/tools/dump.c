// SPDX-License-Identifier: Apache-2.0
// dump: the bytes of a volume by name, for people who look at an odd one. Each thing is printed as soon as
// the library tells of it, so a volume of any size takes little memory.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

enum { FIELDS_IN_A_LINE = 12 };

struct dump {
    bool json, begun;
};

static const struct {
    const char *name;
    enum hf_dump_what what;
} wholes[] = {
    {"superblock", HF_DUMP_SUPERBLOCK},
    {"tree", HF_DUMP_TREE},
    {"space", HF_DUMP_SPACE},
    {"log", HF_DUMP_LOG},
};

static void bytes_print(const struct hf_dump_field *f)
{
    const unsigned char *p = f->bytes;
    for (uint32_t i = 0; i < f->length; i++)
        printf("%02x", p[i]);
}

// In quotes; what would break the line, or the quotes, is escaped.
static void text_print(const struct hf_dump_field *f)
{
    const unsigned char *p = f->bytes;
    putchar('"');
    for (uint32_t i = 0; i < f->length; i++) {
        if (p[i] < 0x20 || p[i] == 0x7f)
            printf("\\x%02x", p[i]);
        else if (p[i] == '"' || p[i] == '\\')
            printf("\\%c", p[i]);
        else
            putchar(p[i]);
    }
    putchar('"');
}

static void field_print(const struct hf_dump_field *f)
{
    printf("%s=", f->name);
    switch (f->type) {
    case HF_DUMP_NUMBER:
        printf("%" PRIu64, f->number);
        break;
    case HF_DUMP_HEX:
        printf("0x%" PRIx64, f->number);
        break;
    case HF_DUMP_TIME:
        fputs(time_text(f->number).text, stdout);
        break;
    case HF_DUMP_TEXT:
        text_print(f);
        break;
    case HF_DUMP_BYTES:
        bytes_print(f);
        break;
    }
}

static void item_print(const struct hf_dump_item *item)
{
    bool tall = item->count > FIELDS_IN_A_LINE;
    printf("%*s%s", (int)(2 * item->depth), "", item->kind);
    for (uint32_t i = 0; i < item->count; i++) {
        if (tall)
            printf("\n%*s", (int)(2 * item->depth + 4), "");
        else
            putchar(' ');
        field_print(&item->fields[i]);
    }
    putchar('\n');
}

static void item_json(const struct hf_dump_item *item, bool first)
{
    struct json_object *object = json_object_new_object(), *fields = json_object_new_object();
    json_add_text(object, "what", item->kind);
    json_add_number(object, "depth", item->depth);
    for (uint32_t i = 0; i < item->count; i++) {
        const struct hf_dump_field *f = &item->fields[i];
        if (f->type == HF_DUMP_TEXT)
            json_object_object_add(fields, f->name, json_object_new_string_len(f->bytes, (int)f->length));
        else if (f->type == HF_DUMP_BYTES)
            json_add_hex(fields, f->name, f->bytes, f->length);
        else if (f->type == HF_DUMP_TIME)
            json_add_text(fields, f->name, time_text(f->number).text);
        else
            json_add_number(fields, f->name, f->number);
    }
    json_object_object_add(object, "fields", fields);
    printf("%s%s", first ? "[\n" : ",\n",
           json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(object);
}

static bool item_out(void *context, const struct hf_dump_item *item)
{
    struct dump *dump = context;
    if (dump->json)
        item_json(item, !dump->begun);
    else
        item_print(item);
    dump->begun = true;
    return !ferror(stdout); // a reader that has seen enough
}

void command_dump(const struct args *args)
{
    char *image = image_of(args->words[0]), *spec = image_spec(image);
    struct dump dump = {.json = option_given(args, "json")};
    enum hf_dump_what what = HF_DUMP_PAGE;
    const char *word = args->count > 1 ? args->words[1] : wholes[0].name;
    for (size_t i = 0; i < sizeof wholes / sizeof wholes[0]; i++)
        if (strcmp(word, wholes[i].name) == 0)
            what = wholes[i].what;
    uint64_t address = what == HF_DUMP_PAGE ? parse_number("address", word) : 0;
    nt_status status = hf_dump(spec, what, address, item_out, &dump);
    if (dump.json)
        puts(dump.begun ? "\n]" : "[]");
    if (status == STATUS_DISK_CORRUPT_ERROR)
        fail_status(image, status, dump.begun ? "something is damaged" : "cannot dump");
    else if (status != STATUS_SUCCESS && status != STATUS_CANCELLED)
        fail_status(image, status, "cannot dump");
    free(spec);
    free(image);
}
