package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Probe;
import dev.perseid.core.ProbeAnswer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// The work by which hardware is measured.
class ExertionTest {
  private static final int EVERYTHING = 64;
  private static final int WORDS = 1 << 12;

  private static Probe cores(int lanes, int links) {
    return new Probe(1, Probe.Part.ALL_CORES, 42, lanes, links, 0);
  }

  private static Probe memory(int lanes, int chunks) {
    return new Probe(1, Probe.Part.MEMORY, 42, lanes, chunks, WORDS);
  }

  private static String wrong(Probe probe, ProbeAnswer answer) {
    return Exertion.wrong(probe, answer, EVERYTHING, new Random(1));
  }

  private static ProbeAnswer with(ProbeAnswer a, List<Long> digests, List<Long> walk) {
    return new ProbeAnswer(a.id(), a.part(), digests, walk);
  }

  private static List<Long> changed(List<Long> list, int at) {
    List<Long> changed = new ArrayList<>(list);
    changed.set(at, list.get(at) + 1);
    return changed;
  }

  @Test
  void whoDoesTheWorkIsBelieved() throws InterruptedException {
    ProbeAnswer links = Exertion.exert(cores(2, 3), _ -> true);
    assertThat(links.digests()).hasSize(6).doesNotHaveDuplicates();
    assertThat(wrong(cores(2, 3), links)).isEmpty();

    ProbeAnswer chunks = Exertion.exert(memory(2, 5), _ -> true);
    assertThat(chunks.digests()).hasSize(5).doesNotHaveDuplicates();
    assertThat(chunks.walk()).hasSize(5 * Exertion.WALKS_PER_CHUNK);
    assertThat(wrong(memory(2, 5), chunks)).isEmpty();
  }

  /// Two machines, or two numbers of lanes, get the same; the numbers are those of the document.
  @Test
  void theWorkIsTheSameEverywhere() throws InterruptedException {
    ProbeAnswer links = Exertion.exert(cores(1, 1), _ -> true);
    assertThat(links.digests()).containsExactly(LINK);
    ProbeAnswer one = Exertion.exert(memory(1, 3), _ -> true);
    assertThat(Exertion.exert(memory(3, 3), _ -> true)).isEqualTo(one);
    assertThat(one.digests().getFirst()).isEqualTo(CHUNK);
    assertThat(one.walk().getFirst()).isEqualTo(WORD);
  }

  private static final long LINK = -7671757536233899845L;
  private static final long CHUNK = -3189786705607067429L;
  private static final long WORD = 4722396018030744319L;

  @Test
  void whoLeavesALinkOutIsFound() throws InterruptedException {
    Probe probe = cores(2, 2);
    ProbeAnswer right = Exertion.exert(probe, _ -> true);
    for (int i = 0; i < 4; i++) {
      assertThat(wrong(probe, with(right, changed(right.digests(), i), List.of())))
          .contains("is not what comes of the work");
    }
    assertThat(wrong(probe, with(right, right.digests().subList(0, 3), List.of())))
        .contains("3 links where 4 were asked for");
  }

  @Test
  void whoDoesNotHaveTheMemoryIsFound() throws InterruptedException {
    Probe probe = memory(1, 2);
    ProbeAnswer right = Exertion.exert(probe, _ -> true);
    assertThat(wrong(probe, with(right, changed(right.digests(), 1), right.walk())))
        .as("a chunk that was not filled")
        .isNotEmpty();
    for (int i = 0; i < right.walk().size(); i++) {
      assertThat(wrong(probe, with(right, right.digests(), changed(right.walk(), i))))
          .as("step %d was guessed", i)
          .contains("was not read from the memory");
    }
    assertThat(wrong(probe, with(right, right.digests(), List.of()))).contains("0 steps");
  }

  @Test
  void whoHasLessMemoryShowsLess() throws InterruptedException {
    Probe probe = memory(2, 9);
    int[] left = {4};
    ProbeAnswer less = Exertion.exert(probe, bytes -> left[0]-- > 0);
    assertThat(less.digests()).hasSize(4);
    assertThat(wrong(probe, less)).isEmpty();
    ProbeAnswer nothing = Exertion.exert(probe, _ -> false);
    assertThat(nothing.digests()).isEmpty();
    assertThat(wrong(probe, nothing)).isEmpty();
  }

  @Test
  void itEndsWhenItsThreadIsInterrupted() throws InterruptedException {
    boolean[] heard = {false};
    Thread thread =
        Thread.ofPlatform()
            .start(() -> {
              try {
                Exertion.exert(cores(2, 1 << 20), _ -> true);
              } catch (InterruptedException e) {
                heard[0] = true;
              }
            });
    thread.interrupt();
    thread.join();
    assertThat(heard[0]).isTrue();
  }
}
