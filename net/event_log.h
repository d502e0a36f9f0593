/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text for several readers that may be slow, in bounded memory: one buffer for all of them, in which each has a position.
 * What everybody has read is forgotten; a reader that falls behind by more than the bound has lost its place.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_log {
    char *data;
    size_t first, len, cap; /* what is kept: @len bytes at data + first */
    uint64_t start;         /* position of its first byte, counted from the log's beginning */
    size_t max;
};

void event_log_init(struct event_log *l, size_t max); /* empty; keeps at most @max bytes */
void event_log_done(struct event_log *l);

/* event_log_end - the position behind all that was added: where a new reader begins. */
uint64_t event_log_end(const struct event_log *l);

/**
 * event_log_add - append; what is over the bound is forgotten from the front, whoever still wants it
 * Return: 0, or -ENOMEM or -EFBIG (@len > max): then everything is forgotten, so that no reader takes a gap for continuous text.
 */
int event_log_add(struct event_log *l, const char *text, size_t len);

/* event_log_lose - something cannot be added: nobody's position is good any more. */
void event_log_lose(struct event_log *l);

/* event_log_has - would event_log_read() find this place? */
bool event_log_has(const struct event_log *l, uint64_t pos);

/* event_log_read - up to @size bytes from @pos on, which moves. 0: nothing new; -ENOBUFS: they are forgotten. */
ptrdiff_t event_log_read(const struct event_log *l, uint64_t *pos, char *buf, size_t size);

/* event_log_trim - nobody wants what is before @pos. */
void event_log_trim(struct event_log *l, uint64_t pos);
