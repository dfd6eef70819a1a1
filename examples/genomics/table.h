/* table.h: the pileup table: what the reads say about every base of the genome. Tables of parts of the reads add up.
 *
 * As text, lines of tab-separated columns, positions 1-based and ascending, only where there is something to say:
 *   B position depth spanning A C G T deleted     one base
 *   D position length reads                       a deletion of the `length` bases after the position
 *   I position bases reads                        an insertion of `bases` after the position
 * depth: reads with a base here. All other columns look only at reads of mapping quality 10 or more. spanning: reads with a
 * base or a deletion here. A C G T: reads with this base at base quality 13 or more. deleted: reads with a deletion here.
 * Of one position, B comes first, then D by length, then I by length and then by bases.
 */
#ifndef TABLE_H
#define TABLE_H

#include "genomics.h"

#define MAX_INDELS 32768
#define COLUMNS 7
enum { DEPTH, SPANNING, COUNT_A, COUNT_C, COUNT_G, COUNT_T, DELETED };

typedef struct {
  int32_t next; /* index + 1 of the next one at the same position, 0 at the end */
  int32_t length;
  uint32_t reads;
  char kind;             /* D or I */
  char bases[MAX_INDEL]; /* letters of an insertion */
} Indel;

static uint32_t table[MAX_GENOME][COLUMNS];
static int32_t first_indel[MAX_GENOME]; /* index + 1, 0 when there is none */
static Indel indels[MAX_INDELS];
static int32_t indel_count;

/* Negative when `a` comes before the indel of this kind, length and bases, 0 when it is the same, else positive. */
static inline int32_t compare_indel(const Indel *a, char kind, int32_t length, const char *bases) {
  if (a->kind != kind) return a->kind - kind;
  if (a->length != length) return a->length - length;
  return kind == 'I' ? memcmp(a->bases, bases, (size_t)length) : 0;
}

/* Counts an indel after the 0-based position. PERSEID_MORE or an exit code. */
static inline int32_t add_indel(int32_t position, char kind, int32_t length, const char *bases, uint32_t reads) {
  int32_t *link = &first_indel[position];
  while (*link != 0) {
    Indel *here = &indels[*link - 1];
    int32_t order = compare_indel(here, kind, length, bases);
    if (order == 0) {
      here->reads += reads;
      return PERSEID_MORE;
    }
    if (order > 0) break;
    link = &here->next;
  }
  if (indel_count == MAX_INDELS) return fail(OVER_LIMIT, "the reads have more than 32768 different insertions and deletions");
  Indel *added = &indels[indel_count];
  added->next = *link;
  added->length = length;
  added->reads = reads;
  added->kind = kind;
  if (kind == 'I') memcpy(added->bases, bases, (size_t)length);
  *link = ++indel_count;
  return PERSEID_MORE;
}

/* Adds one line of a table to this one. PERSEID_MORE or an exit code. */
static inline int32_t add_table_line(const char *line, int32_t length) {
  Fields fields = {line, line + length};
  const char *kind;
  int32_t kind_length = next_field(&fields, &kind);
  int32_t position = next_number(&fields) - 1;
  if (kind_length != 1 || position < 0 || position >= genome_length) {
    return fail(BAD_INPUT, "a line of a pileup table has no kind or a position outside of the genome");
  }
  if (kind[0] == 'B') {
    for (int32_t c = 0; c < COLUMNS; c++) {
      int32_t count = next_number(&fields);
      if (count < 0) return fail(BAD_INPUT, "a base line of a pileup table has too few numbers");
      table[position][c] += (uint32_t)count;
    }
    return PERSEID_MORE;
  }
  const char *bases;
  int32_t indel_length = next_field(&fields, &bases);
  if (kind[0] == 'D') indel_length = number_of(bases, indel_length);
  int32_t reads = next_number(&fields);
  if ((kind[0] != 'D' && kind[0] != 'I') || indel_length < 1 || indel_length > MAX_INDEL || reads < 0) {
    return fail(BAD_INPUT, "a line of a pileup table is neither B, D nor I, or its columns are wrong");
  }
  return add_indel(position, kind[0], indel_length, bases, (uint32_t)reads);
}

#define TABLE_LINES_PER_STEP 2048
static Reader table_reader;

/* Loads the genome from input 0, then adds up the tables of all other inputs, a slice at a time. PERSEID_MORE,
 * PERSEID_DONE, or an exit code. */
static inline int32_t load_tables(void) {
  static int32_t input; /* 0 while the genome is loaded */
  if (input == 0) {
    int32_t loaded = load_genome(0);
    if (loaded == PERSEID_DONE) table_reader.input = input = 1;
    return loaded == PERSEID_DONE ? PERSEID_MORE : loaded;
  }
  if (input >= perseid_input_count()) return PERSEID_DONE;
  for (int32_t n = 0; n < TABLE_LINES_PER_STEP; n++) {
    const char *line;
    int32_t length = next_line(&table_reader, &line);
    if (length == LINE_END) {
      input++;
      table_reader = (Reader){.input = input};
      return PERSEID_MORE;
    }
    if (length == LINE_TOO_LONG) return fail(OVER_LIMIT, "a line of a pileup table is longer than 4096 bytes");
    int32_t wrong = add_table_line(line, length);
    if (wrong) return wrong;
  }
  return PERSEID_MORE;
}

#endif
