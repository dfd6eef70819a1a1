/* perseid.h: write a Perseid portable task in C (profile 1). Licence: Apache-2.0.
 *
 * A portable task is a WebAssembly module that exports `memory` and `step`. The host calls `step` again and again until
 * it says that it is done. Between two calls nothing may live on the stack: keep all state in static variables or in
 * memory from `perseid_alloc`. That is what lets a host pause a task, move it to another machine and go on there.
 * Return from `step` often (a few milliseconds of work is a good slice).
 *
 *     #include "perseid.h"
 *     PERSEID_STEP {
 *       perseid_output_write(0, "hello\n", 6);
 *       return PERSEID_DONE;
 *     }
 *
 * There is no clock, no randomness, no file, no network and no libc. The same module with the same arguments and inputs
 * gives the same bytes and the same gas on every machine. A pointer outside of memory, an output that the task did not
 * declare, or a broken limit ends the task with a trap. The rules in full: docs/portable-tasks.md.
 */
#ifndef PERSEID_H
#define PERSEID_H

#include <stddef.h>
#include <stdint.h>

/* What `step` returns. Any other value ends the task as failed with that value as its exit code. */
#define PERSEID_MORE 0 /* call me again */
#define PERSEID_DONE 1 /* the outputs are complete */

/* Defines the one function a task must have: PERSEID_STEP { ...; return PERSEID_DONE; } */
#define PERSEID_STEP __attribute__((export_name("step"))) int32_t perseid_step(void)

#define PERSEID_IMPORT(name) __attribute__((import_module("perseid"), import_name(name)))

/* Size of the task's argument bytes. */
PERSEID_IMPORT("args_size") int32_t perseid_args_size(void);
/* Copies up to `len` argument bytes from `offset` to `ptr`; returns how many (0 at the end). */
PERSEID_IMPORT("args_read") int32_t perseid_args_read(void *ptr, int32_t offset, int32_t len);

/* How many inputs there are, numbered from 0. */
PERSEID_IMPORT("input_count") int32_t perseid_input_count(void);
/* Size of an input in bytes; -1 when there is no such input. */
PERSEID_IMPORT("input_size") int64_t perseid_input_size(int32_t index);
/* Copies up to `len` bytes of an input from `offset` to `ptr`; returns how many (0 at the end). */
PERSEID_IMPORT("input_read") int32_t perseid_input_read(int32_t index, int64_t offset, void *ptr, int32_t len);

/* Appends `len` bytes to an output; outputs are numbered from 0 and all exist, empty, from the start. Returns `len`. */
PERSEID_IMPORT("output_write") int32_t perseid_output_write(int32_t index, const void *ptr, int32_t len);

/* A line for people (UTF-8). Bounded and not part of the result: what is over the limit is dropped. */
PERSEID_IMPORT("log") void perseid_log(const void *ptr, int32_t len);
/* How far the task is, 0 to 1000. A hint for people, not part of the result. */
PERSEID_IMPORT("progress") void perseid_progress(int32_t permille);

/* ---- Small freestanding helpers. Weak, so that a task may bring its own. ---- */

/* The compiler may emit calls to these four by itself. With bulk memory they become single instructions. */
__attribute__((weak)) void *memcpy(void *to, const void *from, size_t n) { return __builtin_memcpy(to, from, n); }
__attribute__((weak)) void *memmove(void *to, const void *from, size_t n) { return __builtin_memmove(to, from, n); }
__attribute__((weak)) void *memset(void *to, int byte, size_t n) { return __builtin_memset(to, byte, n); }
__attribute__((weak)) int memcmp(const void *a, const void *b, size_t n) {
  const unsigned char *x = a, *y = b;
  for (size_t i = 0; i < n; i++) {
    if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
  }
  return 0;
}

#define PERSEID_PAGE 65536u
extern unsigned char __heap_base;

/* Memory that is never given back, 16-byte aligned and zeroed; NULL when the task's memory limit is reached. */
static inline void *perseid_alloc(uint32_t size) {
  static uint32_t next;
  if (next == 0) next = ((uint32_t)(uintptr_t)&__heap_base + 15u) & ~15u;
  uint64_t end = (uint64_t)next + size;
  uint64_t have = (uint64_t)__builtin_wasm_memory_size(0) * PERSEID_PAGE;
  if (end > have) {
    uint64_t pages = (end - have + PERSEID_PAGE - 1) / PERSEID_PAGE;
    if (pages > 65536u || __builtin_wasm_memory_grow(0, (size_t)pages) == (size_t)-1) return NULL;
  }
  void *block = (void *)(uintptr_t)next;
  next = (uint32_t)((end + 15u) & ~(uint64_t)15u);
  return block;
}

static inline int32_t perseid_strlen(const char *text) {
  int32_t n = 0;
  while (text[n]) n++;
  return n;
}

/* Logs a zero-terminated text. */
static inline void perseid_say(const char *text) { perseid_log(text, perseid_strlen(text)); }

/* Writes `value` in decimal to `to` (room for 20 bytes, no terminating zero); returns how many bytes. */
static inline int32_t perseid_decimal(char *to, uint64_t value) {
  char digits[20];
  int32_t n = 0;
  do {
    digits[n++] = (char)('0' + value % 10);
    value /= 10;
  } while (value != 0);
  for (int32_t i = 0; i < n; i++) to[i] = digits[n - 1 - i];
  return n;
}

#endif
