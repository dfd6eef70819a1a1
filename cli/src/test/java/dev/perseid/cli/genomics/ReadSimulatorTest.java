package dev.perseid.cli.genomics;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.cli.genomics.ReadSimulator.Planted;
import dev.perseid.cli.genomics.ReadSimulator.Simulation;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

final class ReadSimulatorTest {
  private static final Genome LAMBDA = Genome.parse(Example.fasta());

  @Test
  void theSameSeedGivesTheSameReads() {
    Simulation once = ReadSimulator.simulate(LAMBDA, 5, 50);
    assertThat(ReadSimulator.simulate(LAMBDA, 5, 50)).isEqualTo(once);
    assertThat(ReadSimulator.simulate(LAMBDA, 6, 50)).isNotEqualTo(once);
  }

  @Test
  void variantsAreWhatTheGenomeHasThere() {
    List<Planted> variants = ReadSimulator.simulate(LAMBDA, 9, 0).variants();
    assertThat(variants).hasSizeGreaterThan(40);
    for (Planted variant : variants) {
      assertThat(LAMBDA.bases().startsWith(variant.reference(), variant.position() - 1))
          .as("%s, seed 9", variant)
          .isTrue();
      assertThat(variant.variant()).isNotEqualTo(variant.reference());
    }
  }

  @Test
  void withoutThePackageTheDemoSimulates() throws IOException {
    DemoReads reads = DemoReads.of(Path.of("there-is-no-such-file.gz"), LAMBDA);
    assertThat(Read.parse(reads.fastq())).hasSize(DemoReads.SIMULATED_READS);
    assertThat(reads.source()).isEqualTo("10000 simulated reads of NC_001416.1");
  }
}
