package dev.perseid.sim;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Address;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/// The simulated chain keeps the promise on which pools count: what is final stays.
final class ChainTest {
  private static final Address POOL = new Address(1, 1, 1);
  private static final Address CONSUMER = new Address(2, 2, 2);

  @Test
  void whatWasFinalIsNeverUndone() {
    int tornChains = 0;
    for (long seed = 1; seed <= 60; seed++) {
      Agenda agenda = new Agenda(new Diary(null));
      Chain chain = new Chain(POOL, agenda, new Dice(seed), new CheapSeals(), Optional.empty());
      Map<Long, Chain.Books> finals = new TreeMap<>();
      long newest = 0;
      long highest = 0;
      boolean torn = false;
      for (int i = 0; i < 400; i++) {
        chain.send("deposit " + i, chain.deposit(CONSUMER, 1));
        agenda.step();
        Chain.Books books = chain.truth();
        assertThat(books.number).as("seed %d, step %d", seed, i).isGreaterThanOrEqualTo(newest);
        newest = books.number;
        Chain.Books before = finals.putIfAbsent(newest, books);
        assertThat(before == null || before == books)
            .as("seed %d, step %d: block %d is another one", seed, i, newest)
            .isTrue();
        long head = chain.height();
        torn |= head < highest;
        highest = Math.max(highest, head);
      }
      tornChains += torn ? 1 : 0;
      assertThat(newest).as("seed %d", seed).isPositive();
    }
    assertThat(tornChains).as("chains with reorganisations").isGreaterThan(20);
  }
}
