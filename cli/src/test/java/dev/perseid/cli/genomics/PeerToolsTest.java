package dev.perseid.cli.genomics;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The results against tools that others wrote: bowtie2 maps the same reads, samtools reads our
/// alignments.
final class PeerToolsTest {
  private static final String INSTALL =
      "this test needs Debian's bowtie2 and samtools: apt-get install bowtie2 samtools bowtie2-examples";
  private static final int READS = 2_000;
  private static final int CONFIDENT_QUALITY = 20;
  private static final int TOLERATED_BASES = 20;

  @TempDir private Path folder;
  private final Genome lambda = Genome.parse(Example.fasta());

  @BeforeEach
  void writeGenome() throws IOException {
    Files.writeString(folder.resolve("lambda.fa"), Example.fasta());
  }

  @Test
  void simulatedReadsMapWhereBowtie2PutsThem() throws Exception {
    assertAgreesWithBowtie2(ReadSimulator.simulate(lambda, 17, READS).fastq());
  }

  @Test
  void packagedReadsMapWhereBowtie2PutsThem() throws Exception {
    assertThat(DemoReads.PACKAGED).as(INSTALL).isReadable();
    String fastq = DemoReads.of(DemoReads.PACKAGED, lambda).fastq();
    assertAgreesWithBowtie2(
        fastq.lines().limit(4L * READS).collect(Collectors.joining("\n", "", "\n")));
  }

  @Test
  void samtoolsReadsTheAlignmentsAndCountsTheSameDepth() throws Exception {
    ReferenceRun.Results results =
        ReferenceRun.of(Example.fasta(), ReadSimulator.simulate(lambda, 18, READS).fastq(), 1_000);
    Files.writeString(folder.resolve("ours.sam"), results.sam());
    tool("samtools", "quickcheck", "ours.sam");
    assertThat(tool("samtools", "view", "-c", "ours.sam").strip())
        .isEqualTo(Integer.toString(READS));

    StringBuilder depth = new StringBuilder();
    results
        .bedGraph()
        .lines()
        .map(line -> line.split("\t"))
        .forEach(run -> {
          for (int at = Integer.parseInt(run[1]); at < Integer.parseInt(run[2]); at++) {
            depth.append(run[0]).append('\t').append(at + 1).append('\t').append(run[3]);
            depth.append('\n');
          }
        });
    assertThat(tool("samtools", "depth", "-a", "ours.sam")).isEqualTo(depth.toString());
  }

  /// Where the read's first base would lie if nothing were clipped.
  private record Place(boolean reversed, int start, int quality) {
    boolean agrees(Place other) {
      return reversed == other.reversed && Math.abs(start - other.start) <= TOLERATED_BASES;
    }
  }

  private void assertAgreesWithBowtie2(String fastq) throws Exception {
    Files.writeString(folder.resolve("reads.fq"), fastq);
    tool("bowtie2-build", "--quiet", "lambda.fa", "lambda");
    Map<String, Place> theirs =
        places(
            tool("bowtie2", "--local", "--quiet", "--seed", "1", "-x", "lambda", "-U", "reads.fq"));
    Map<String, Place> ours = places(ReferenceRun.of(Example.fasta(), fastq, 1_000).sam());
    int confident = 0;
    int agree = 0;
    for (Map.Entry<String, Place> entry : ours.entrySet()) {
      Place their = theirs.get(entry.getKey());
      if (their != null && their.quality() >= CONFIDENT_QUALITY) {
        confident++;
        agree += entry.getValue().agrees(their) ? 1 : 0;
      }
    }
    assertThat(confident).as("reads that both map confidently").isGreaterThan(READS * 9 / 10);
    assertThat(100.0 * agree / confident)
        .as("per cent at the same place")
        .isGreaterThanOrEqualTo(98);
  }

  /// The places of confidently mapped reads, by read.
  private static Map<String, Place> places(String sam) {
    Map<String, Place> places = new HashMap<>();
    for (String line : sam.lines().filter(l -> !l.startsWith("@")).toList()) {
      String[] columns = line.split("\t");
      int flags = Integer.parseInt(columns[1]);
      int quality = Integer.parseInt(columns[4]);
      if ((flags & 4) == 0 && quality >= CONFIDENT_QUALITY) {
        String cigar = columns[5];
        int clipped = cigar.matches("\\d+S.*") ? Integer.parseInt(cigar.split("S")[0]) : 0;
        int start = Integer.parseInt(columns[3]) - clipped;
        places.put(columns[0], new Place((flags & 16) != 0, start, quality));
      }
    }
    return places;
  }

  /// Runs a tool in the folder and returns what it printed.
  private String tool(String... command) throws Exception {
    Path out = Files.createTempFile(folder, "out", ".txt");
    Path err = Files.createTempFile(folder, "err", ".txt");
    Process process;
    try {
      process =
          new ProcessBuilder(List.of(command))
              .directory(folder.toFile())
              .redirectOutput(out.toFile())
              .redirectError(err.toFile())
              .start();
    } catch (IOException e) {
      throw new AssertionError(INSTALL, e);
    }
    int exit = process.waitFor();
    assertThat(exit).as("%s: %s", String.join(" ", command), Files.readString(err)).isZero();
    return Files.readString(out);
  }
}
