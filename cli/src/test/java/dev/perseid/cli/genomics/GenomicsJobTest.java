package dev.perseid.cli.genomics;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.cli.genomics.ReadSimulator.Planted;
import dev.perseid.cli.genomics.ReadSimulator.Simulation;
import dev.perseid.sandbox.Execution;
import dev.perseid.sandbox.Verdict;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The portable tasks, run in the order of the job, against the plain run and against the truth of
/// simulated reads.
final class GenomicsJobTest {
  private static final long SEED = 20_261_123;
  private static final int READS = 4_000;

  @TempDir private static Path scratch;

  private static Example example;

  // About ten reads over every base of lambda, mapped once for all tests.
  private static Simulation simulation;
  private static ReferenceRun.Results mapped;

  @BeforeAll
  static void mapReads() {
    example = new Example(scratch);
    simulation = ReadSimulator.simulate(Genome.parse(Example.fasta()), SEED, READS);
    mapped = example.runTasks(Example.fasta(), simulation.fastq());
  }

  @AfterAll
  static void closeSandbox() {
    example.close();
  }

  @Test
  void tasksEqualThePlainRun() {
    assertEqual(
        mapped, ReferenceRun.of(Example.fasta(), simulation.fastq(), GenomicsJob.WINDOW_BASES));
  }

  @Test
  void tasksEqualThePlainRunOnOddGenomesAndReads() {
    for (long seed = 1; seed <= 4; seed++) {
      Random random = new Random(seed);
      String fasta = oddGenome(random);
      Genome genome = Genome.parse(fasta);
      String fastq = variantReads(genome, random) + oddReads(genome, random);
      assertThat(example.runTasks(fasta, fastq))
          .as("seed %d", seed)
          .isEqualTo(ReferenceRun.of(fasta, fastq, GenomicsJob.WINDOW_BASES));
    }
  }

  @Test
  void noReadsGiveEmptyResults() {
    ReferenceRun.Results results = example.runTasks(Example.fasta(), "");
    assertEqual(results, ReferenceRun.of(Example.fasta(), "", GenomicsJob.WINDOW_BASES));
    assertThat(results.sam().lines()).allMatch(line -> line.startsWith("@"));
    assertThat(results.bedGraph()).isEqualTo("NC_001416.1\t0\t48502\t0\n");
    assertThat(results.vcf().lines()).allMatch(line -> line.startsWith("#"));
  }

  @Test
  void readsMapToWhereTheyComeFrom() {
    List<String[]> lines =
        mapped
            .sam()
            .lines()
            .filter(line -> !line.startsWith("@"))
            .map(line -> line.split("\t"))
            .toList();
    assertThat(lines).hasSize(READS);
    long right = lines.stream().filter(GenomicsJobTest::isWhereItComesFrom).count();
    assertThat(right)
        .as("of %d reads, seed %d", READS, SEED)
        .isGreaterThanOrEqualTo(READS * 99 / 100);
  }

  private static boolean isWhereItComesFrom(String[] line) {
    String[] truth = line[0].split("_");
    boolean reversed = (Integer.parseInt(line[1]) & 16) != 0;
    int clipped = line[5].matches("\\d+S.*") ? Integer.parseInt(line[5].split("S")[0]) : 0;
    int start = Integer.parseInt(line[3]) - clipped;
    return reversed == truth[2].equals("r") && Math.abs(start - Integer.parseInt(truth[1])) <= 10;
  }

  /// At a mean depth of ten some variants are covered by fewer than the five reads a call needs, so
  /// not all can be found; what is called must be right.
  @Test
  void plantedVariantsAreFound() {
    Set<Planted> called =
        mapped
            .vcf()
            .lines()
            .filter(line -> !line.startsWith("#"))
            .map(line -> line.split("\t"))
            .map(columns -> new Planted(Integer.parseInt(columns[1]), columns[3], columns[4]))
            .collect(Collectors.toSet());
    List<Planted> planted = simulation.variants();
    Set<Planted> found = new HashSet<>(planted);
    found.retainAll(called);
    assertThat(planted).hasSizeGreaterThan(40);
    assertThat(planted).as("kinds").anyMatch(v -> v.reference().length() > 1);
    assertThat(planted).as("kinds").anyMatch(v -> v.variant().length() > 1);
    assertThat(100.0 * found.size() / planted.size()).as("recall, seed %d", SEED).isGreaterThan(90);
    assertThat(100.0 * found.size() / called.size())
        .as("precision, seed %d", SEED)
        .isGreaterThan(98);
  }

  @Test
  void theJobHasItsTasksInOrder() {
    Set<String> before = new HashSet<>();
    List<GenomicsJob.GenomicsTask> tasks = GenomicsJob.tasks("data/reads.fq");
    for (GenomicsJob.GenomicsTask task : tasks) {
      for (GenomicsJob.Input input : task.inputs()) {
        if (input instanceof GenomicsJob.OutputOf output) {
          assertThat(before).as("inputs of %s", task.name()).contains(output.task());
        }
      }
      assertThat(before.add(task.name())).as("%s is unique", task.name()).isTrue();
    }
    assertThat(tasks).hasSize(225);
  }

  private static void assertEqual(ReferenceRun.Results tasks, ReferenceRun.Results plain) {
    assertThat(tasks.sam()).isEqualTo(plain.sam());
    assertThat(tasks.bedGraph()).isEqualTo(plain.bedGraph());
    assertThat(tasks.windows()).isEqualTo(plain.windows());
    assertThat(tasks.vcf()).isEqualTo(plain.vcf());
    assertThat(tasks.report()).isEqualTo(plain.report());
  }

  private static String randomBases(Random random, int length, String letters) {
    StringBuilder bases = new StringBuilder();
    for (int i = 0; i < length; i++) {
      bases.append(letters.charAt(random.nextInt(letters.length())));
    }
    return bases.toString();
  }

  /// Unknown bases, lower case, one base repeated past the seed limit, a piece that occurs twice
  /// and its mirror image.
  private static String oddGenome(Random random) {
    String piece = randomBases(random, 300, "ACGT");
    String bases =
        piece
            + randomBases(random, 700, "ACGT")
            + "NNNNNNNNNNNNNNNNNNNN"
            + randomBases(random, 500, "acgt")
            + "C"
            + "A".repeat(72) // 64 seeds, which vote
            + "C"
            + randomBases(random, 200, "ACGT")
            + "G"
            + "T".repeat(73) // 65 seeds, which do not
            + "G"
            + "CT".repeat(60)
            + piece
            + randomBases(random, 400, "ACGTR")
            + Genome.reverseComplement(piece)
            + randomBases(random, 8_000, "ACGT");
    StringBuilder fasta = new StringBuilder(">odd\tgenome\n");
    for (int at = 0; at < bases.length(); at += 61) {
      fasta.append(bases, at, Math.min(at + 61, bases.length())).append('\n');
    }
    return fasta.toString();
  }

  /// Variants in the last 8,000 bases, each shown by 2 to 7 reads beside 0 to 4 that do not show
  /// it: around all limits of calling.
  private static String variantReads(Genome genome, Random random) {
    StringBuilder fastq = new StringBuilder();
    for (int at = genome.length() - 8_000; at + 300 < genome.length(); at += 300) {
      String plain = genome.bases().substring(at, at + 240);
      int length = random.nextBoolean() ? 1 + random.nextInt(3) : 31 + random.nextInt(3);
      String middle =
          switch (random.nextInt(3)) {
            case 0 -> plain.charAt(120) == 'A' ? "C" : "A";
            case 1 -> plain.charAt(120) + randomBases(random, length, "ACGT");
            default -> "";
          };
      int cut = middle.isEmpty() ? length : 1;
      String changed = plain.substring(0, 120) + middle + plain.substring(120 + cut);
      int showing = 2 + random.nextInt(6);
      int others = Math.max(0, random.nextInt(7) - 3);
      for (int read = 0; read < showing + others; read++) {
        String bases = read < showing ? changed : plain;
        int skipped = random.nextInt(10);
        bases = bases.substring(skipped);
        String oriented = random.nextBoolean() ? bases : Genome.reverseComplement(bases);
        // 13 is the least base quality that counts.
        String quality = Character.toString('!' + 12 + random.nextInt(12));
        fastq.append("@at").append(at).append('_').append(read).append('\n').append(oriented);
        fastq.append("\n+\n").append(quality.repeat(oriented.length())).append('\n');
      }
    }
    return fastq.toString();
  }

  /// Reads of 1 to 512 bases from anywhere but the last 8,000 bases, with many changes; no newline
  /// at the end.
  private static String oddReads(Genome genome, Random random) {
    StringBuilder fastq = new StringBuilder();
    for (int read = 0; read < 300; read++) {
      int length = random.nextInt(20) == 0 ? 1 + random.nextInt(512) : 1 + random.nextInt(140);
      int start = random.nextInt(genome.length() - 8_000 - length + 1);
      StringBuilder bases = new StringBuilder(genome.bases().substring(start, start + length));
      int changes = random.nextInt(1 + length / (4 + random.nextInt(40)));
      for (int change = 0; change < changes; change++) {
        int at = random.nextInt(bases.length());
        switch (random.nextInt(4)) {
          case 0 -> bases.insert(at, randomBases(random, 1 + random.nextInt(6), "ACGTN"));
          case 1 -> bases.delete(at, Math.min(bases.length() - 1, at + 1 + random.nextInt(40)));
          default -> bases.setCharAt(at, "ACGTNacgt.".charAt(random.nextInt(10)));
        }
      }
      bases.setLength(Math.min(bases.length(), 512));
      String sequence =
          random.nextBoolean()
              ? bases.toString()
              : Genome.reverseComplement(Genome.normal(bases.toString()));
      String qualities =
          random
              .ints(sequence.length(), '!', '~' + 1)
              .mapToObj(Character::toString)
              .collect(Collectors.joining());
      fastq.append('@').append("odd").append(read).append(" extra\twords\n").append(sequence);
      fastq.append("\n+anything\n").append(qualities).append('\n');
    }
    return fastq.substring(0, fastq.length() - 1);
  }

  @Test
  void badInputsAreRefusedWithAReason() {
    String genome = Example.fasta();
    assertRefused("split.wasm", "", 1, "args must be the number of chunks", "@r\nA\n+\nI\n");
    assertRefused("split.wasm", "0", 1, "args must be the number of chunks", "@r\nA\n+\nI\n");
    assertRefused("split.wasm", "4", 4, "input 0, the reads, is missing");
    assertRefused("split.wasm", "4", 4, "does not start with '@'", ">r\nA\n");
    assertRefused("split.wasm", "4", 4, "the last read is not complete", "@r\nACGT\n+\n");
    assertRefused("split.wasm", "4", 4, "fewer qualities than bases", "@r\nACGT\n+\nIII\n");
    assertRefused("split.wasm", "4", 4, "more qualities than bases", "@r\nACGT\n+\nIIIII\n");
    assertRefused("split.wasm", "4", 4, "not a base letter", "@r\nAC T\n+\nIIII\n");
    assertRefused("split.wasm", "4", 4, "is empty", "@r\n\n+\n\n");
    assertRefused(
        "split.wasm",
        "4",
        4,
        "longer than 512 bases",
        "@r\n" + "A".repeat(513) + "\n+\n" + "I".repeat(513) + "\n");
    assertRefused("align.wasm", "", 1, "not FASTA", "ACGT", "");
    assertRefused("align.wasm", "", 1, "no name or no bases", ">empty\n", "");
    assertRefused("align.wasm", "", 1, "more than one sequence", ">a\nACGT\n>b\nACGT\n", "");
    assertRefused(
        "align.wasm", "", 1, "longer than 262144 bases", ">a\n" + "A".repeat(262_145), "");
    assertRefused("align.wasm", "", 1, "input 1, the reads, is missing", genome);
    assertRefused("align.wasm", "", 1, "not as many qualities", genome, "@r\nACGT\n+\nIII\n");
    assertRefused("merge.wasm", "sorted", 1, "args must be empty or \"header\"");
    assertRefused("merge.wasm", "", 1, "not sorted", "a\t0\tg\t9\t0\t*\n" + "b\t0\tg\t8\t0\t*\n");
    assertRefused("merge.wasm", "", 1, "no position", "a\t0\tg\n");
    assertRefused("merge.wasm", "", 1, "longer than 4096 bytes", "a".repeat(20_000));
    assertRefused(
        "pileup.wasm",
        "",
        1,
        "reaches out of the genome",
        genome,
        "r\t0\tg\t48500\t60\t4M\t*\t0\t0\tACGT\tIIII\n");
    assertRefused("pileup.wasm", "", 1, "malformed", genome, "r\t0\tg\t5\t60\t4M\n");
    assertRefused("coverage.wasm", "x", 2, "args must be the bases of a window", genome);
    assertRefused("coverage.wasm", "9", 2, "outside of the genome", genome, "B\t48503\t1\n");
    assertRefused("coverage.wasm", "9", 2, "too few numbers", genome, "B\t1\t1\t1\n");
    assertRefused("variants.wasm", "", 1, "neither B, D nor I", genome, "X\t1\tA\t1\n");
    assertRefused("report.wasm", "", 1, "no flags", "junk\n", "", "");
  }

  private static void assertRefused(
      String module, String args, int outputs, String reason, String... inputs) {
    Execution run = example.start(module, args, List.of(inputs), outputs).join();
    assertThat(run.verdict())
        .as("%s said: %s", module, run.log())
        .isInstanceOfSatisfying(
            Verdict.Failed.class,
            failed -> assertThat(failed.kind()).isEqualTo(Verdict.Kind.EXIT_CODE));
    assertThat(run.log()).contains(reason);
  }
}
