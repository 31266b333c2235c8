#include "queue/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue/record.h"

#define RECORD_VERSION 1

static const struct record_field entry_fields[] = {
	[1] = RECORD_NUMBER(registry_entry, unix_ms),
	[2] = RECORD_NUMBER(registry_entry, kind),
	[3] = RECORD_ARRAY(registry_entry, name),
	[4] = RECORD_ARRAY(registry_entry, who),
	[5] = RECORD_ARRAY(registry_entry, act),
	[6] = RECORD_ARRAY(registry_entry, why),
};
static const struct record_layout entry_layout = RECORD_LAYOUT(entry_fields);

void registry_item_fini(struct registry_item *item)
{
	free(item->record);
	*item = (struct registry_item){0};
}

bool registry_is_long(const struct registry_change *changes)
{
	size_t count = 0;

	for (; changes != NULL && count <= REGISTRY_FEW; changes = changes->next)
		count++;
	return count > REGISTRY_FEW;
}

static bool put_text(char *to, size_t to_size, const char *text)
{
	size_t size = text != NULL ? strlen(text) : 0;

	if (size >= to_size)
		return false;
	if (size > 0)
		memcpy(to, text, size);
	to[size] = '\0';
	return true;
}

int registry_entry_from(
	uint64_t number, const struct registry_change *change, struct registry_entry *out)
{
	*out = (struct registry_entry){
		.number = number, .unix_ms = change->now_unix_ms, .kind = change->kind};
	return put_text(out->name, sizeof(out->name), change->name) && out->name[0] != '\0' &&
			       put_text(out->who, sizeof(out->who), change->who) &&
			       put_text(out->act, sizeof(out->act), change->act) &&
			       put_text(out->why, sizeof(out->why), change->why)
		       ? 0
		       : -EINVAL;
}

bool registry_entry_encode(const struct registry_entry *entry, struct bytes *out)
{
	size_t start = out->size;

	if (!record_begin(out) || !record_put_members(out, &entry_layout, entry)) {
		out->size = start;
		return false;
	}
	record_seal(out->data + start, out->size - start, RECORD_VERSION, entry->number);
	return true;
}

int registry_entry_decode(
	uint64_t number, const void *record, size_t size, struct registry_entry *out)
{
	struct record_span fields;

	*out = (struct registry_entry){.number = number};
	if (!record_open(record, size, RECORD_VERSION, number, &fields))
		return -EBADMSG;
	return record_take_members(&entry_layout, fields, out, NULL, NULL);
}
