/* pileup.c: counts what the aligned reads say about every base of the genome.
 * inputs: the genome (FASTA), SAM lines. output 0: a pileup table (see table.h).
 */
#include "table.h"

#define MIN_MAPQ 10
#define MIN_BASE_QUALITY 13
#define LINES_PER_STEP 64
#define POSITIONS_PER_STEP 8192
#define FLAG_UNMAPPED 4

static enum { LOADING, COUNTING, WRITING } phase;
static Reader reader;
static Writer writer;
static int32_t written; /* positions */

static int32_t malformed(void) { return fail(BAD_INPUT, "an alignment is malformed or reaches out of the genome"); }

/* Counts one run of a CIGAR. `read` and `*position` are where it starts. PERSEID_MORE or an exit code. */
static int32_t count_run(char kind, int32_t length, int32_t position, const char *bases, const char *qualities, int trusted) {
  switch (kind) {
    case 'M':
      for (int32_t i = 0; i < length; i++) {
        uint32_t *row = table[position + i];
        row[DEPTH]++;
        if (!trusted) continue;
        row[SPANNING]++;
        uint8_t code = base_code(bases[i]);
        if (code != NO_BASE && qualities[i] - '!' >= MIN_BASE_QUALITY) row[COUNT_A + code]++;
      }
      return PERSEID_MORE;
    case 'D':
      if (!trusted) return PERSEID_MORE;
      for (int32_t i = 0; i < length; i++) {
        table[position + i][SPANNING]++;
        table[position + i][DELETED]++;
      }
      if (length > MAX_INDEL || position == 0) return PERSEID_MORE;
      return add_indel(position - 1, 'D', length, "", 1);
    case 'I':
      if (!trusted || length > MAX_INDEL || position == 0) return PERSEID_MORE;
      for (int32_t i = 0; i < length; i++) {
        if (base_code(bases[i]) == NO_BASE) return PERSEID_MORE;
      }
      return add_indel(position - 1, 'I', length, bases, 1);
    default: /* S */
      return PERSEID_MORE;
  }
}

static int32_t count_line(const char *line, int32_t line_length) {
  if (line_length > 0 && line[0] == '@') return PERSEID_MORE;
  Fields fields = {line, line + line_length};
  const char *skipped, *cigar, *bases, *qualities;
  next_field(&fields, &skipped); /* name */
  int32_t flags = next_number(&fields);
  next_field(&fields, &skipped); /* genome */
  int32_t position = next_number(&fields) - 1;
  int32_t mapq = next_number(&fields);
  int32_t cigar_length = next_field(&fields, &cigar);
  for (int32_t f = 0; f < 3; f++) next_field(&fields, &skipped); /* mate, its position, length */
  int32_t read_length = next_field(&fields, &bases);
  int32_t quality_length = next_field(&fields, &qualities);
  if (flags < 0 || read_length < 1 || quality_length != read_length) return malformed();
  if (flags & FLAG_UNMAPPED) return PERSEID_MORE;
  if (position < 0 || mapq < 0 || cigar_length < 2) return malformed();

  int32_t in_read = 0, length = 0;
  for (int32_t c = 0; c < cigar_length; c++) {
    char kind = cigar[c];
    if (kind >= '0' && kind <= '9') {
      length = length * 10 + (kind - '0');
      if (length > MAX_GENOME) return malformed();
      continue;
    }
    int32_t read_bases = kind == 'M' || kind == 'I' || kind == 'S' ? length : 0;
    int32_t genome_bases = kind == 'M' || kind == 'D' ? length : 0;
    if (length == 0 || read_bases + genome_bases == 0) return malformed();
    if (in_read + read_bases > read_length || position + genome_bases > genome_length) return malformed();
    int32_t wrong = count_run(kind, length, position, bases + in_read, qualities + in_read, mapq >= MIN_MAPQ);
    if (wrong) return wrong;
    in_read += read_bases;
    position += genome_bases;
    length = 0;
  }
  return in_read == read_length ? PERSEID_MORE : malformed();
}

static int32_t count_lines(void) {
  for (int32_t n = 0; n < LINES_PER_STEP; n++) {
    const char *line;
    int32_t length = next_line(&reader, &line);
    if (length == LINE_END) {
      phase = WRITING;
      return PERSEID_MORE;
    }
    if (length == LINE_TOO_LONG) return fail(OVER_LIMIT, "a line of the alignments is longer than 4096 bytes");
    int32_t wrong = count_line(line, length);
    if (wrong) return wrong;
  }
  return PERSEID_MORE;
}

static void put_column(uint64_t value) {
  put_char(&writer, '\t');
  put_number(&writer, value);
}

static void put_position(int32_t position) {
  const uint32_t *row = table[position];
  if (row[DEPTH] + row[SPANNING] > 0) {
    put_char(&writer, 'B');
    put_column((uint64_t)position + 1);
    for (int32_t c = 0; c < COLUMNS; c++) put_column(row[c]);
    put_char(&writer, '\n');
  }
  for (int32_t i = first_indel[position]; i != 0; i = indels[i - 1].next) {
    const Indel *indel = &indels[i - 1];
    put_char(&writer, indel->kind);
    put_column((uint64_t)position + 1);
    if (indel->kind == 'D') {
      put_column((uint64_t)indel->length);
    } else {
      put_char(&writer, '\t');
      put(&writer, indel->bases, indel->length);
    }
    put_column(indel->reads);
    put_char(&writer, '\n');
  }
}

PERSEID_STEP {
  switch (phase) {
    case LOADING: {
      int32_t loaded = load_genome(0);
      if (loaded != PERSEID_DONE) return loaded;
      if (perseid_input_size(1) < 0) return fail(BAD_INPUT, "input 1, the alignments, is missing");
      reader.input = 1;
      phase = COUNTING;
      return PERSEID_MORE;
    }
    case COUNTING:
      return count_lines();
    case WRITING:
      for (int32_t n = 0; n < POSITIONS_PER_STEP && written < genome_length; n++) put_position(written++);
      if (written < genome_length) return PERSEID_MORE;
      writer_flush(&writer);
      return PERSEID_DONE;
  }
  __builtin_unreachable();
}
