/* align.c: maps the reads of one chunk to the genome: k-mer seeds vote for diagonals on both strands, the best diagonals
 * are aligned by Smith-Waterman with affine gaps, and the best alignment is written.
 * inputs: the genome (FASTA), reads (FASTQ as split writes it). output 0: SAM lines without a header, sorted by position,
 * unmapped reads last, reads of one position in the order of the input.
 */
#include "genomics.h"

#define SEED 9                 /* bases of a k-mer */
#define SEEDS (1 << (2 * SEED))
#define MAX_SEED_HITS 64       /* a k-mer that occurs more often than this says nothing */
#define BIN_BITS 4             /* diagonals are counted in bins of 16 */
#define BIN (1 << BIN_BITS)
#define BINS ((MAX_GENOME + MAX_READ) / BIN + 2)
#define CANDIDATES 4           /* diagonals that are aligned, at most */
#define MARGIN 24              /* bases of genome beside a candidate's diagonals */

#define MATCH 2
#define MISMATCH (-3)
#define UNKNOWN (-1)           /* a base beside an N */
#define GAP_FIRST 7            /* cost of a gap's first base */
#define GAP_NEXT 2             /* cost of every further one */
#define MIN_SCORE 40           /* below it a read is unmapped */
#define FULL_SCORE 100         /* below it the mapping quality is scaled down */
#define MAX_MAPQ 60

#define MAX_CHUNK_READS 8192
#define MAX_CHUNK_TEXT (4 << 20)

#define FORWARD 0
#define REVERSE 1

/* ---- The index: for every k-mer a chain of its positions, ascending. 0 ends a chain, so positions are kept plus 1. ---- */

static int32_t first_hit[SEEDS];
static int32_t next_hit[MAX_GENOME];
static int32_t indexed; /* positions left to index, counted down so that chains ascend */

/* The k-mer that starts at `codes`, or -1 when it has an N. */
static int32_t seed_at(const uint8_t *codes) {
  int32_t seed = 0;
  for (int32_t i = 0; i < SEED; i++) {
    if (codes[i] == NO_BASE) return -1;
    seed = seed << 2 | codes[i];
  }
  return seed;
}

#define INDEX_SLICE 65536
static int index_slice(void) {
  for (int32_t n = 0; n < INDEX_SLICE && indexed > 0; n++) {
    int32_t at = --indexed;
    int32_t seed = seed_at(genome + at);
    if (seed < 0) continue;
    next_hit[at] = first_hit[seed];
    first_hit[seed] = at + 1;
  }
  return indexed == 0;
}

/* ---- The read. ---- */

static char read_name[MAX_READ_NAME];
static int32_t read_name_length;
static int32_t read_length;
static uint8_t read_codes[2][MAX_READ]; /* by strand, in the direction of the genome */
static char read_qualities[MAX_READ];   /* as sequenced */

/* ---- Votes: how many seeds of the read lie in each bin of diagonals. ---- */

static int32_t votes[2][BINS];
static uint8_t taken[2][BINS];
static int32_t voted[2][MAX_READ * MAX_SEED_HITS]; /* bins with votes */
static int32_t voted_count[2];

__attribute__((noinline)) static void vote(int32_t strand) {
  const uint8_t *codes = read_codes[strand];
  for (int32_t i = 0; i + SEED <= read_length; i++) {
    int32_t seed = seed_at(codes + i);
    if (seed < 0) continue;
    int32_t hits = 0;
    for (int32_t p = first_hit[seed]; p != 0 && hits <= MAX_SEED_HITS; p = next_hit[p - 1]) hits++;
    if (hits > MAX_SEED_HITS) continue;
    for (int32_t p = first_hit[seed]; p != 0; p = next_hit[p - 1]) {
      int32_t bin = (p - 1 - i + MAX_READ) >> BIN_BITS;
      if (votes[strand][bin]++ == 0) voted[strand][voted_count[strand]++] = bin;
    }
  }
}

static void forget_votes(void) {
  for (int32_t strand = 0; strand < 2; strand++) {
    for (int32_t v = 0; v < voted_count[strand]; v++) {
      int32_t bin = voted[strand][v];
      votes[strand][bin] = 0;
      for (int32_t near = bin - 1; near <= bin + 1; near++) {
        if (near >= 0) taken[strand][near] = 0;
      }
    }
    voted_count[strand] = 0;
  }
}

/* ---- Alignments. ---- */

typedef struct {
  int32_t strand;
  int32_t score;
  int32_t genome_start, genome_end; /* [start, end) */
} Candidate;

static Candidate candidates[CANDIDATES];
static int32_t candidate_count;

#define MAX_RUNS (2 * MAX_READ)
typedef struct {
  char kind[MAX_RUNS]; /* M, I or D */
  int32_t length[MAX_RUNS];
  int32_t runs;
  int32_t read_start, read_end; /* [start, end) in the direction of the genome */
  int32_t edits;                /* mismatches and gap bases */
} Path;

static Path path; /* of the alignment made last, from its end to its start */
static Path best_path;
static int32_t best;

#define MAX_WINDOW (MAX_READ + 2 * BIN + 2 * MARGIN)
#define FROM_NOTHING 0
#define FROM_DIAGONAL 1
#define FROM_DELETION 2
#define FROM_INSERTION 3
#define FROM_MASK 3
#define DELETION_BIT 2
#define DELETION_GOES_ON (1 << DELETION_BIT)
#define INSERTION_BIT 3
#define INSERTION_GOES_ON (1 << INSERTION_BIT)
static uint8_t trace[MAX_READ][MAX_WINDOW];
static int8_t profile[NO_BASE + 1][MAX_WINDOW]; /* what each base of a read scores against each base of the window */
typedef struct {
  int32_t score;     /* of the best alignment that ends in this column of the row above */
  int32_t insertion; /* of the best one that ends in an insertion */
} Cell;
static Cell row[MAX_WINDOW];

#define NEVER (-1000000)

static void add_to_path(char kind) {
  if (path.runs > 0 && path.kind[path.runs - 1] == kind) {
    path.length[path.runs - 1]++;
    return;
  }
  path.kind[path.runs] = kind;
  path.length[path.runs++] = 1;
}

/* Fills row `i` of the alignment matrix and returns its best score. A function of its own, and small, because just-in-time
 * compilers refuse large ones or do them badly, and nearly all time is spent here. */
__attribute__((noinline)) static int32_t fill_row(int32_t i, const int8_t *pairs, int32_t width) {
  uint8_t *traces = trace[i];
  Cell *cell = row;
  int32_t diagonal = 0; /* score of (i - 1, j - 1) */
  int32_t score = 0;    /* of (i, j - 1), then of (i, j) */
  int32_t deletion = NEVER;
  int32_t best_score = 0;
  for (int32_t j = 0; j < width; j++, cell++) {
    int32_t opened = score - GAP_FIRST;
    int32_t extended = deletion - GAP_NEXT;
    int32_t flags = (extended > opened) << DELETION_BIT;
    deletion = extended > opened ? extended : opened;

    int32_t above = cell->score;
    opened = above - GAP_FIRST;
    extended = cell->insertion - GAP_NEXT;
    flags |= (extended > opened) << INSERTION_BIT;
    int32_t insertion = extended > opened ? extended : opened;

    score = diagonal + pairs[j];
    int32_t from = deletion > score ? FROM_DELETION : FROM_DIAGONAL;
    score = deletion > score ? deletion : score;
    from = insertion > score ? FROM_INSERTION : from;
    score = insertion > score ? insertion : score;
    from = score > 0 ? from : FROM_NOTHING;
    score = score > 0 ? score : 0;

    traces[j] = (uint8_t)(flags | from);
    cell->score = score;
    cell->insertion = insertion;
    best_score = score > best_score ? score : best_score;
    diagonal = above;
  }
  return best_score;
}

/* Walks back from cell (i, j), the end of the alignment, and leaves the way in `path`. Returns the column where it starts. */
__attribute__((noinline)) static int32_t walk_back(const uint8_t *codes, const uint8_t *window, int32_t i, int32_t j) {
  path.runs = 0;
  path.edits = 0;
  path.read_end = i + 1;
  while (i >= 0 && j >= 0 && (trace[i][j] & FROM_MASK) != FROM_NOTHING) {
    int goes_on = 1;
    switch (trace[i][j] & FROM_MASK) {
      case FROM_DIAGONAL:
        add_to_path('M');
        if (codes[i] != window[j] || codes[i] == NO_BASE) path.edits++;
        i--;
        j--;
        break;
      case FROM_DELETION:
        for (; goes_on; j--) {
          goes_on = trace[i][j] & DELETION_GOES_ON;
          add_to_path('D');
          path.edits++;
        }
        break;
      default: /* FROM_INSERTION */
        for (; goes_on; i--) {
          goes_on = trace[i][j] & INSERTION_GOES_ON;
          add_to_path('I');
          path.edits++;
        }
        break;
    }
  }
  path.read_start = i + 1;
  return j + 1;
}

/* Aligns the read on `strand` to genome [low, high): the best local alignment; ties go to the cell of the smallest read
 * position, then genome position, and, walking back, to a match before a deletion before an insertion, and to a gap that
 * starts rather than one that goes on. */
__attribute__((noinline)) static void align(int32_t strand, int32_t low, int32_t high, Candidate *found) {
  const uint8_t *codes = read_codes[strand];
  const uint8_t *window = genome + low;
  int32_t width = high - low;
  for (int32_t j = 0; j < width; j++) {
    row[j].score = 0;
    row[j].insertion = NEVER;
    for (int32_t code = 0; code <= NO_BASE; code++) {
      profile[code][j] = (int8_t)(code == NO_BASE || window[j] == NO_BASE ? UNKNOWN : code == window[j] ? MATCH : MISMATCH);
    }
  }
  int32_t best_score = 0, end_i = -1, end_j = -1;
  for (int32_t i = 0; i < read_length; i++) {
    int32_t row_best = fill_row(i, profile[codes[i]], width);
    if (row_best <= best_score) continue;
    best_score = row_best;
    end_i = i;
    end_j = 0;
    while (row[end_j].score != row_best) end_j++;
  }
  found->strand = strand;
  found->score = best_score;
  found->genome_start = low + walk_back(codes, window, end_i, end_j);
  found->genome_end = low + end_j + 1;
}

/* Takes the candidate with the most votes that is left (ties: forward strand first, then the smaller position) and marks it
 * and its neighbours taken. Returns 0 when none is left. */
__attribute__((noinline)) static int take_candidate(int32_t *strand_taken, int32_t *bin_taken) {
  int32_t most = 0, strand_most = 0, bin_most = 0;
  for (int32_t strand = 0; strand < 2; strand++) {
    for (int32_t v = 0; v < voted_count[strand]; v++) {
      int32_t bin = voted[strand][v];
      if (taken[strand][bin]) continue;
      int32_t count = votes[strand][bin] + votes[strand][bin + 1];
      if (count > most || (count == most && strand == strand_most && bin < bin_most)) {
        most = count;
        strand_most = strand;
        bin_most = bin;
      }
    }
  }
  if (most == 0) return 0;
  for (int32_t near = bin_most - 1; near <= bin_most + 1; near++) {
    if (near >= 0) taken[strand_most][near] = 1;
  }
  *strand_taken = strand_most;
  *bin_taken = bin_most;
  return 1;
}

/* Finds the read's alignments; `best` is the index of the best candidate, -1 when the read is unmapped. */
__attribute__((noinline)) static void map_read(void) {
  vote(FORWARD);
  vote(REVERSE);
  candidate_count = 0;
  best = -1;
  int32_t strand, bin;
  while (candidate_count < CANDIDATES && take_candidate(&strand, &bin)) {
    int32_t diagonal = bin * BIN - MAX_READ;
    int32_t low = diagonal - MARGIN;
    int32_t high = diagonal + 2 * BIN + read_length + MARGIN;
    if (low < 0) low = 0;
    if (high > genome_length) high = genome_length;
    Candidate *found = &candidates[candidate_count];
    align(strand, low, high, found);
    if (found->score >= MIN_SCORE && (best < 0 || found->score > candidates[best].score)) {
      best = candidate_count;
      best_path = path;
    }
    candidate_count++;
  }
  forget_votes();
}

/* 60 when nothing else in the genome scores near the best alignment, 0 when something scores the same. */
static int32_t mapping_quality(void) {
  const Candidate *b = &candidates[best];
  int32_t second = 0;
  for (int32_t c = 0; c < candidate_count; c++) {
    const Candidate *other = &candidates[c];
    int same_place = other->strand == b->strand && other->genome_start < b->genome_end && b->genome_start < other->genome_end;
    if (!same_place && other->score > second) second = other->score;
  }
  int32_t quality = 120 * (b->score - second) / b->score;
  if (b->score < FULL_SCORE) quality = quality * b->score / FULL_SCORE;
  return quality < MAX_MAPQ ? quality : MAX_MAPQ;
}

/* ---- The lines of the chunk, kept until all are known, in the order in which they are written. ---- */

static char text[MAX_CHUNK_TEXT];
static int32_t text_used;
typedef struct {
  int32_t position; /* 0-based; INT32_MAX when unmapped */
  int32_t offset, length;
} Line;
static Line lines[MAX_CHUNK_READS];
static int32_t line_count;

static Writer line_writer; /* only gathers: its text is copied to `text`, never flushed */

static void put_field_number(uint64_t value) {
  put_number(&line_writer, value);
  put_char(&line_writer, '\t');
}

static void put_run(int32_t length, char kind) {
  if (length == 0) return;
  put_number(&line_writer, (uint64_t)length);
  put_char(&line_writer, kind);
}

static void put_read(int32_t strand) {
  Writer *w = &line_writer;
  put_text(w, "*\t0\t0\t");
  for (int32_t i = 0; i < read_length; i++) put_char(w, BASE_LETTERS[read_codes[strand][i]]);
  put_char(w, '\t');
  for (int32_t i = 0; i < read_length; i++) {
    put_char(w, read_qualities[strand == FORWARD ? i : read_length - 1 - i]);
  }
}

static int32_t keep_line(int32_t position) {
  if (line_count == MAX_CHUNK_READS || text_used + line_writer.used > MAX_CHUNK_TEXT) {
    return fail(OVER_LIMIT, "the chunk has more than 8192 reads or 4 MiB of alignments: split into more chunks");
  }
  int32_t at = line_count++;
  while (at > 0 && lines[at - 1].position > position) {
    lines[at] = lines[at - 1];
    at--;
  }
  lines[at].position = position;
  lines[at].offset = text_used;
  lines[at].length = line_writer.used;
  memcpy(text + text_used, line_writer.text, (size_t)line_writer.used);
  text_used += line_writer.used;
  return PERSEID_MORE;
}

__attribute__((noinline)) static int32_t keep_read(void) {
  Writer *w = &line_writer;
  w->used = 0;
  put(w, read_name, read_name_length);
  if (best < 0) {
    put_text(w, "\t4\t*\t0\t0\t*\t");
    put_read(FORWARD);
    put_char(w, '\n');
    return keep_line(INT32_MAX);
  }
  const Candidate *b = &candidates[best];
  put_text(w, b->strand == REVERSE ? "\t16\t" : "\t0\t");
  put_text(w, genome_name);
  put_char(w, '\t');
  put_field_number((uint64_t)b->genome_start + 1);
  put_field_number((uint64_t)mapping_quality());
  put_run(best_path.read_start, 'S');
  for (int32_t r = best_path.runs - 1; r >= 0; r--) put_run(best_path.length[r], best_path.kind[r]);
  put_run(read_length - best_path.read_end, 'S');
  put_char(w, '\t');
  put_read(b->strand);
  put_text(w, "\tAS:i:");
  put_number(w, (uint64_t)b->score);
  put_text(w, "\tNM:i:");
  put_number(w, (uint64_t)best_path.edits);
  put_char(w, '\n');
  return keep_line(b->genome_start);
}

/* ---- The steps. ---- */

static enum { LOADING, INDEXING, MAPPING, WRITING } phase;
static Reader reader;
static int32_t written;

/* Reads the next four lines. PERSEID_MORE when there is a read, PERSEID_DONE at the end, or an exit code. */
__attribute__((noinline)) static int32_t next_read(void) {
  const char *line;
  int32_t len = next_line(&reader, &line);
  if (len == LINE_END) return PERSEID_DONE;
  if (len < 1 || line[0] != '@') return fail(BAD_INPUT, "a read does not start with '@': give chunks written by split");
  read_name_length = 0;
  for (int32_t i = 1; i < len && line[i] != ' ' && line[i] != '\t'; i++) {
    if (read_name_length == MAX_READ_NAME) return fail(OVER_LIMIT, "the name of a read is longer than 200 bytes");
    read_name[read_name_length++] = line[i];
  }
  if (read_name_length == 0) return fail(BAD_INPUT, "a read has no name after its '@'");
  len = next_line(&reader, &line);
  if (len < 1) return fail(BAD_INPUT, "a read has no bases");
  if (len > MAX_READ) return fail(OVER_LIMIT, "a read is longer than 512 bases");
  read_length = len;
  for (int32_t i = 0; i < len; i++) {
    uint8_t code = base_code(line[i]);
    read_codes[FORWARD][i] = code;
    read_codes[REVERSE][len - 1 - i] = code == NO_BASE ? NO_BASE : (uint8_t)(3 - code);
  }
  len = next_line(&reader, &line);
  if (len < 1 || line[0] != '+') return fail(BAD_INPUT, "the third line of a read does not start with '+'");
  len = next_line(&reader, &line);
  if (len != read_length) return fail(BAD_INPUT, "a read has not as many qualities as bases");
  memcpy(read_qualities, line, (size_t)len);
  return PERSEID_MORE;
}

#define LINES_PER_STEP 256

PERSEID_STEP {
  switch (phase) {
    case LOADING: {
      int32_t loaded = load_genome(0);
      if (loaded != PERSEID_DONE) return loaded;
      if (perseid_input_size(1) < 0) return fail(BAD_INPUT, "input 1, the reads, is missing");
      indexed = genome_length < SEED ? 0 : genome_length - SEED + 1;
      phase = INDEXING;
      return PERSEID_MORE;
    }
    case INDEXING:
      if (index_slice()) {
        reader.input = 1;
        phase = MAPPING;
      }
      return PERSEID_MORE;
    case MAPPING: {
      int32_t got = next_read();
      if (got == PERSEID_DONE) {
        phase = WRITING;
        line_writer.used = 0;
        return PERSEID_MORE;
      }
      if (got != PERSEID_MORE) return got;
      map_read();
      int64_t size = perseid_input_size(1);
      perseid_progress((int32_t)((reader.offset - (reader.end - reader.begin)) * 1000 / size));
      return keep_read();
    }
    case WRITING:
      for (int32_t n = 0; n < LINES_PER_STEP && written < line_count; n++, written++) {
        put(&line_writer, text + lines[written].offset, lines[written].length);
      }
      if (written < line_count) return PERSEID_MORE;
      writer_flush(&line_writer);
      return PERSEID_DONE;
  }
  __builtin_unreachable();
}
