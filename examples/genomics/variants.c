/* variants.c: adds up pileup tables and calls the variants of a haploid genome.
 * inputs: the genome (FASTA), pileup tables. output 0: VCF 4.3.
 */
#include "table.h"

#define MIN_DEPTH 5          /* reads that count at the position */
#define MIN_READS 4          /* reads that show the variant */
#define MIN_SNV_PERMILLE 600 /* of the reads that count */
#define MIN_INDEL_PERMILLE 500

static enum { LOADING, CALLING } phase;
static int32_t at;
static Writer writer;

#define POSITIONS_PER_STEP 8192

static void put_vcf_header(void) {
  put_text(&writer,
      "##fileformat=VCFv4.3\n"
      "##source=perseid-genomics\n"
      "##contig=<ID=");
  put_text(&writer, genome_name);
  put_text(&writer, ",length=");
  put_number(&writer, (uint64_t)genome_length);
  put_text(&writer,
      ">\n"
      "##INFO=<ID=DP,Number=1,Type=Integer,Description=\"Reads that count at the position\">\n"
      "##INFO=<ID=AD,Number=R,Type=Integer,Description=\"Reads that show each allele\">\n"
      "##INFO=<ID=AF,Number=A,Type=Float,Description=\"Share of the reads that show the variant\">\n"
      "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n");
}

static void put_place(int32_t position) {
  put_text(&writer, genome_name);
  put_char(&writer, '\t');
  put_number(&writer, (uint64_t)position + 1);
  put_text(&writer, "\t.\t");
}

static void put_evidence(uint64_t depth, uint64_t reference_reads, uint64_t variant_reads) {
  put_text(&writer, "\t.\tPASS\tDP=");
  put_number(&writer, depth);
  put_text(&writer, ";AD=");
  put_number(&writer, reference_reads);
  put_char(&writer, ',');
  put_number(&writer, variant_reads);
  put_text(&writer, ";AF=");
  put_fixed(&writer, (variant_reads * 1000 + depth / 2) / depth, 3);
  put_char(&writer, '\n');
}

static int is_called(uint64_t depth, uint64_t reads, uint64_t min_permille) {
  return depth >= MIN_DEPTH && reads >= MIN_READS && reads * 1000 >= depth * min_permille;
}

/* The base other than the genome's that most reads show; ties go to the first of A, C, G, T. */
static void call_base(int32_t position) {
  const uint32_t *row = table[position];
  uint8_t reference = genome[position];
  if (reference == NO_BASE) return;
  uint64_t depth = row[DELETED];
  int32_t variant = -1;
  for (int32_t base = 0; base < 4; base++) {
    depth += row[COUNT_A + base];
    if (base != reference && (variant < 0 || row[COUNT_A + base] > row[COUNT_A + variant])) variant = base;
  }
  uint32_t reads = row[COUNT_A + variant];
  if (!is_called(depth, reads, MIN_SNV_PERMILLE)) return;
  put_place(position);
  put_char(&writer, BASE_LETTERS[reference]);
  put_char(&writer, '\t');
  put_char(&writer, BASE_LETTERS[variant]);
  put_evidence(depth, row[COUNT_A + reference], reads);
}

static void call_indels(int32_t position) {
  uint64_t depth = table[position][SPANNING];
  for (int32_t i = first_indel[position]; i != 0; i = indels[i - 1].next) {
    const Indel *indel = &indels[i - 1];
    if (!is_called(depth, indel->reads, MIN_INDEL_PERMILLE)) continue;
    if (indel->kind == 'D' && indel->length >= genome_length - position) continue;
    put_place(position);
    put_char(&writer, BASE_LETTERS[genome[position]]);
    if (indel->kind == 'D') {
      for (int32_t b = 1; b <= indel->length; b++) put_char(&writer, BASE_LETTERS[genome[position + b]]);
    }
    put_char(&writer, '\t');
    put_char(&writer, BASE_LETTERS[genome[position]]);
    if (indel->kind == 'I') put(&writer, indel->bases, indel->length);
    put_evidence(depth, depth > indel->reads ? depth - indel->reads : 0, indel->reads);
  }
}

PERSEID_STEP {
  switch (phase) {
    case LOADING: {
      int32_t loaded = load_tables();
      if (loaded != PERSEID_DONE) return loaded;
      put_vcf_header();
      phase = CALLING;
      return PERSEID_MORE;
    }
    case CALLING:
      for (int32_t n = 0; n < POSITIONS_PER_STEP && at < genome_length; n++, at++) {
        call_base(at);
        call_indels(at);
      }
      if (at < genome_length) return PERSEID_MORE;
      writer_flush(&writer);
      return PERSEID_DONE;
  }
  __builtin_unreachable();
}
