package dev.perseid.sim;

import dev.perseid.core.FromProvider;
import dev.perseid.core.ToProvider;
import java.util.function.BooleanSupplier;

/// One connection of a provider to the pool. A stream as TCP gives it: in order, and what is lost
/// is lost from some message on. In harsh weather it also delays, doubles and reorders.
final class Cable {
  /// What happens to what is sent.
  static final class Net {
    private final Agenda agenda;
    private final Dice dice;
    private final Weather weather;
    private boolean calm;

    Net(Agenda agenda, Dice dice, Weather weather) {
      this.agenda = agenda;
      this.dice = dice;
      this.weather = weather;
    }

    /// From now on nothing is lost, late, doubled or out of order.
    void calm() {
      calm = true;
    }

    long latencyUs() {
      return dice.between(weather.latencyUs() / 4, weather.latencyUs());
    }

    private boolean harsh() {
      return !calm && weather.harshPerMyriad() > 0 && dice.chance(weather.harshPerMyriad());
    }

    private boolean breaks() {
      return !calm && weather.breakPerMyriad() > 0 && dice.chance(weather.breakPerMyriad());
    }
  }

  /// One end.
  interface End<M> {
    /// A message has arrived.
    void arrived(Cable cable, M message);

    /// The connection is seen to be broken.
    void broken(Cable cable);
  }

  private final Net net;
  private final int provider;
  private final long session;
  private final BooleanSupplier poolLives;
  private final End<FromProvider> pool;
  private final End<ToProvider> providerEnd;
  private boolean cut;
  private long lastToPoolUs;
  private long lastToProviderUs;

  /// @param session the pool's number of it
  /// @param poolLives whether the process still lives that it was opened to
  Cable(
      Net net,
      int provider,
      long session,
      BooleanSupplier poolLives,
      End<FromProvider> pool,
      End<ToProvider> providerEnd) {
    this.net = net;
    this.provider = provider;
    this.session = session;
    this.poolLives = poolLives;
    this.pool = pool;
    this.providerEnd = providerEnd;
  }

  long session() {
    return session;
  }

  int provider() {
    return provider;
  }

  /// Sends towards the pool.
  void toPool(FromProvider message) {
    if (cut) {
      return;
    }
    lastToPoolUs =
        carry("to pool " + message.getClass().getSimpleName(), lastToPoolUs, pool, message, true);
  }

  /// Sends towards the provider.
  void toProvider(ToProvider message) {
    if (cut) {
      return;
    }
    lastToProviderUs =
        carry(
            "to provider " + message.getClass().getSimpleName(),
            lastToProviderUs,
            providerEnd,
            message,
            false);
  }

  /// Returns when the last message of this direction arrives.
  private <M> long carry(String what, long lastUs, End<M> to, M message, boolean outlivesCut) {
    if (net.breaks()) {
      cut();
      return lastUs;
    }
    Agenda agenda = net.agenda;
    long inOrderUs = Math.max(lastUs, agenda.nowUs() + net.latencyUs());
    int copies = 1;
    long atUs = inOrderUs;
    boolean wild = net.harsh();
    if (wild) {
      copies = 1 + net.dice.below(2);
      atUs = agenda.nowUs() + net.dice.skewed(1, MUCH_US);
    }
    for (int i = 0; i < copies; i++) {
      boolean strays = wild && outlivesCut;
      agenda.after(
          atUs - agenda.nowUs() + i * net.latencyUs(),
          what,
          provider,
          () -> {
            if (!cut || (strays && poolLives.getAsBoolean())) {
              to.arrived(this, message);
            }
          });
    }
    return wild ? lastUs : inOrderUs;
  }

  private static final long MUCH_US = 3_000_000;

  /// Breaks the connection: what is under way is lost, both ends see it some time later.
  void cut() {
    if (cut) {
      return;
    }
    cut = true;
    net.agenda.after(
        net.dice.skewed(0, MUCH_US), "provider sees cut", provider, () -> providerEnd.broken(this));
    net.agenda.after(
        net.dice.skewed(0, MUCH_US), "pool sees cut", provider, () -> pool.broken(this));
  }
}
