package dev.perseid.cli.genomics;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPInputStream;

/// The reads that the demo maps: those of Debian's package `bowtie2-examples` when it is installed,
/// else simulated ones.
///
/// @param fastq the reads
/// @param source where they come from, in words for people
public record DemoReads(String fastq, String source) {
  /// Where Debian's package `bowtie2-examples` puts 10,000 reads of phage lambda.
  public static final Path PACKAGED =
      Path.of("/usr/share/doc/bowtie2/examples/reads/reads_1.fq.gz");

  /// Reads of the fallback.
  public static final int SIMULATED_READS = 10_000;

  private static final long SEED = 48_502;

  /// Loads or makes the reads.
  ///
  /// @param packaged the gzipped FASTQ to use if it exists, [#PACKAGED] for the demo
  /// @param genome the genome to simulate reads of otherwise
  public static DemoReads of(Path packaged, Genome genome) throws IOException {
    if (!Files.isReadable(packaged)) {
      String fastq = ReadSimulator.simulate(genome, SEED, SIMULATED_READS).fastq();
      return new DemoReads(fastq, SIMULATED_READS + " simulated reads of " + genome.name());
    }
    try (InputStream in = new GZIPInputStream(Files.newInputStream(packaged))) {
      String fastq = new String(in.readAllBytes(), StandardCharsets.US_ASCII);
      return new DemoReads(fastq, "the reads of Debian's bowtie2-examples, " + packaged);
    }
  }
}
