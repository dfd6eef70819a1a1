package dev.perseid.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class NearestTest {
  @Test
  void distances() {
    assertThat(Nearest.distance("", "abc")).isEqualTo(3);
    assertThat(Nearest.distance("kitten", "sitting")).isEqualTo(3);
    assertThat(Nearest.distance("modlue", "module")).isEqualTo(1);
    assertThat(Nearest.distance("same", "same")).isZero();
  }

  @Test
  void theNearestIsProposedOnlyWhenItIsNear() {
    List<String> words = List.of("module", "inputs", "outputs");
    assertThat(Nearest.to("modul", words)).contains("module");
    assertThat(Nearest.to("inputz", words)).contains("inputs");
    assertThat(Nearest.to("xyz", words)).isEmpty();
    assertThat(Nearest.advice("xyz", words)).isEqualTo("choose from: module, inputs, outputs");
  }
}
