/* report.c: a page for people about the whole run.
 * inputs: alignments (SAM), windows of coverage (from coverage), variants (VCF). output 0: text.
 */
#include "genomics.h"

#define LINES_PER_STEP 1024
#define MAX_WINDOWS 4096
#define BAR_WIDTH 50
#define CONFIDENT_MAPQ 20

static enum { READING, WRITING } phase;
static int32_t input;
static Reader reader;
static Writer writer;

static uint64_t reads, mapped, reversed, confident;
typedef struct {
  int32_t start, end;
  uint64_t mean_hundredths;
} Window;
static Window windows[MAX_WINDOWS];
static int32_t window_count;
static char name[MAX_GENOME_NAME];
static int32_t name_length;
static uint64_t covered;
static uint64_t snvs, insertions, deletions;

static int32_t add_alignment(Fields *fields) {
  const char *skipped;
  next_field(fields, &skipped); /* name */
  int32_t flags = next_number(fields);
  next_field(fields, &skipped); /* genome */
  next_field(fields, &skipped); /* position */
  int32_t mapq = next_number(fields);
  if (flags < 0 || mapq < 0) return fail(BAD_INPUT, "an alignment has no flags or no mapping quality");
  reads++;
  if (flags & 4) return PERSEID_MORE;
  mapped++;
  if (flags & 16) reversed++;
  if (mapq >= CONFIDENT_MAPQ) confident++;
  return PERSEID_MORE;
}

static int32_t add_window(Fields *fields) {
  const char *text;
  int32_t length = next_field(fields, &text);
  int32_t start = next_number(fields);
  int32_t end = next_number(fields);
  const char *mean;
  int32_t mean_length = next_field(fields, &mean);
  next_number(fields); /* least */
  next_number(fields); /* most */
  int32_t bases = next_number(fields);
  int32_t whole = mean_length < 4 ? -1 : number_of(mean, mean_length - 3);
  int32_t hundredths = mean_length < 4 ? -1 : number_of(mean + mean_length - 2, 2);
  if (length < 1 || length > MAX_GENOME_NAME || start < 0 || end <= start || whole < 0 || hundredths < 0 || bases < 0) {
    return fail(BAD_INPUT, "a line of the windows is malformed: give output 1 of coverage");
  }
  if (window_count == MAX_WINDOWS) return fail(OVER_LIMIT, "more than 4096 windows: use larger windows");
  memcpy(name, text, (size_t)length);
  name_length = length;
  windows[window_count++] = (Window){start, end, (uint64_t)whole * 100 + (uint64_t)hundredths};
  covered += (uint64_t)bases;
  return PERSEID_MORE;
}

static int32_t add_variant(Fields *fields) {
  const char *text;
  for (int32_t f = 0; f < 3; f++) next_field(fields, &text); /* genome, position, id */
  int32_t reference = next_field(fields, &text);
  int32_t variant = next_field(fields, &text);
  if (reference < 1 || variant < 1) return fail(BAD_INPUT, "a variant is malformed: give the VCF of variants");
  if (reference == variant) snvs++;
  if (reference < variant) insertions++;
  if (reference > variant) deletions++;
  return PERSEID_MORE;
}

static int32_t read_lines(void) {
  for (int32_t n = 0; n < LINES_PER_STEP; n++) {
    const char *line;
    int32_t length = next_line(&reader, &line);
    if (length == LINE_END) {
      if (++input == 3) phase = WRITING;
      reader = (Reader){.input = input};
      return PERSEID_MORE;
    }
    if (length == LINE_TOO_LONG) return fail(OVER_LIMIT, "a line of an input is longer than 4096 bytes");
    if (length > 0 && (input == 0 ? line[0] == '@' : line[0] == '#')) continue;
    Fields fields = {line, line + length};
    int32_t wrong = input == 0 ? add_alignment(&fields) : input == 1 ? add_window(&fields) : add_variant(&fields);
    if (wrong) return wrong;
  }
  return PERSEID_MORE;
}

/* Writes "label  value" with the labels in a column. */
static void put_label(const char *label) {
  put_text(&writer, label);
  for (int32_t i = perseid_strlen(label); i < 16; i++) put_char(&writer, ' ');
}

static void put_share(uint64_t part, uint64_t whole) {
  put_number(&writer, part);
  if (whole > 0) {
    put_text(&writer, " (");
    put_fixed(&writer, (part * 10000 + whole / 2) / whole, 2);
    put_text(&writer, " %)");
  }
  put_char(&writer, '\n');
}

static void put_padded(uint64_t value, int32_t width) {
  char digits[20];
  int32_t n = perseid_decimal(digits, value);
  for (int32_t i = n; i < width; i++) put_char(&writer, ' ');
  put(&writer, digits, n);
}

static void write_report(void) {
  uint64_t bases = window_count == 0 ? 0 : (uint64_t)windows[window_count - 1].end;
  uint64_t sum = 0, most = 1;
  for (int32_t w = 0; w < window_count; w++) {
    sum += windows[w].mean_hundredths * (uint64_t)(windows[w].end - windows[w].start);
    if (windows[w].mean_hundredths > most) most = windows[w].mean_hundredths;
  }
  put_label("genome");
  put(&writer, name, name_length);
  put_text(&writer, ", ");
  put_number(&writer, bases);
  put_text(&writer, " bases\n");
  put_label("reads");
  put_number(&writer, reads);
  put_char(&writer, '\n');
  put_label("mapped");
  put_share(mapped, reads);
  put_label("  confidently");
  put_share(confident, reads);
  put_label("  reversed");
  put_share(reversed, reads);
  put_label("covered bases");
  put_share(covered, bases);
  put_label("mean depth");
  put_fixed(&writer, bases == 0 ? 0 : (sum + bases / 2) / bases, 2);
  put_char(&writer, '\n');
  put_label("variants");
  put_number(&writer, snvs + insertions + deletions);
  put_text(&writer, ": ");
  put_number(&writer, snvs);
  put_text(&writer, " single bases, ");
  put_number(&writer, insertions);
  put_text(&writer, " insertions, ");
  put_number(&writer, deletions);
  put_text(&writer, " deletions\n\nmean depth by window\n");
  for (int32_t w = 0; w < window_count; w++) {
    uint64_t mean = windows[w].mean_hundredths;
    put_padded((uint64_t)windows[w].start + 1, 7);
    put_char(&writer, ' ');
    put_padded(mean / 100, 5);
    put_char(&writer, '.');
    put_char(&writer, (char)('0' + mean / 10 % 10));
    put_char(&writer, (char)('0' + mean % 10));
    put_char(&writer, ' ');
    for (uint64_t b = (mean * BAR_WIDTH + most / 2) / most; b > 0; b--) put_char(&writer, '#');
    put_char(&writer, '\n');
  }
  writer_flush(&writer);
}

PERSEID_STEP {
  if (phase == READING) return read_lines();
  write_report();
  return PERSEID_DONE;
}
