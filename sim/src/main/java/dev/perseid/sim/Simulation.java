package dev.perseid.sim;

import dev.perseid.core.Address;
import dev.perseid.core.Event;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.Offer;
import dev.perseid.core.Outcome;
import dev.perseid.core.Pool;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// One world from one seed: a pool, its providers and its consumers, all of them the node's real
/// loops, on one thread in virtual time. First a storm, then calm weather in which everything must
/// come to its end.
final class Simulation {
  /// The wall clock at virtual time 0, microseconds since 1970: 2026-01-01.
  static final long EPOCH_US = 1_767_225_600_000_000L;

  private static final long CALM_LIMIT_US = 3 * 3600L * 1_000_000;
  private static final long HAPPENINGS_LIMIT = 20_000_000;
  private static final long SETTLING_US = 30_000_000;
  private static final long LOOK_EVERY_US = 500_000;
  private static final long AFTERGLOW_US = 30_000_000;

  private final long seed;
  private final Diary diary;
  private final Agenda agenda;
  private final Weather weather;
  private final Auditor auditor;
  private final Disk disk;
  private final PoolHost pool;
  private final Cable.Net net;
  private final List<ProviderHost> providers = new ArrayList<>();
  private final List<Customer> customers = new ArrayList<>();
  private final Bazaar bazaar;
  private final Cashier cashier;
  private boolean over;
  private long overSinceUs = Long.MAX_VALUE;

  private Simulation(long seed, Seals seals, Sabotage sabotage, @Nullable Appendable verbose) {
    this.seed = seed;
    Dice dice = new Dice(Dice.mix(seed));
    weather = Weather.of(dice.split());
    diary = new Diary(verbose);
    agenda = new Agenda(diary);
    Address self = seals.admit(dice.next());
    Address operator = seals.admit(dice.next());

    List<Address> addresses = new ArrayList<>();
    Set<Address> liars = new TreeSet<>();
    int all = weather.providers() + weather.liars();
    for (int i = 0; i < all; i++) {
      Address a = seals.admit(dice.next());
      addresses.add(a);
      if (i >= weather.providers()) {
        liars.add(a);
      }
    }
    Dice rogues = dice.split();
    Map<Address, Cheat> cheats = new TreeMap<>();
    for (Address a : addresses.subList(1, all)) {
      if (!liars.contains(a) && rogues.chance(weather.cheatPerMyriad())) {
        cheats.put(a, new Cheat(rogues.split()));
      }
    }
    Set<Address> boasters = new TreeSet<>();
    for (Address a : addresses.subList(1, all)) {
      if (rogues.chance(weather.boastPerMyriad())) {
        boasters.add(a);
      }
    }
    auditor = new Auditor(self, notary(seals), liars, cheats.keySet());
    disk = new Disk(agenda, diary, dice.split(), weather, sabotage, auditor);
    pool =
        new PoolHost(self, agenda, diary, dice.split(), weather, seals, disk, auditor, addresses);
    net = new Cable.Net(agenda, dice.split(), weather);
    for (int i = 0; i < all; i++) {
      Address a = addresses.get(i);
      Liar liar =
          liars.contains(a) ? new Liar(dice.split(), seals, self, a, weather.liePerMyriad()) : null;
      providers.add(
          new ProviderHost(
              i,
              a,
              self,
              pool,
              net,
              agenda,
              dice.split(),
              weather,
              seals,
              auditor,
              sabotage,
              liar,
              cheats.get(a),
              boasters.contains(a),
              i == 0));
    }
    if (weather.isPunctual()) {
      providers.stream()
          .filter(p -> !liars.contains(p.address()))
          .forEach(p -> auditor.has(p.address(), p.cores(), p.memoryBytes(), p.gpus()));
    }
    auditor.ask((who, lease) ->
        providers.stream()
            .anyMatch(p -> p.address().equals(who) && p.isWronged(lease, pool.assignedUs(lease))));
    pool.start();
    for (ProviderHost p : providers) {
      agenda.after(dice.skewed(0, 5_000_000), "provider starts", p.number(), p::start);
    }
    int[] jobs = new int[weather.consumers()];
    for (int i = 0; i < weather.jobs(); i++) {
      jobs[dice.below(jobs.length)]++;
    }
    for (int n : jobs) {
      Customer c =
          new Customer(
              seals.admit(dice.next()),
              operator,
              seals,
              agenda,
              dice.split(),
              weather,
              pool,
              auditor);
      customers.add(c);
      c.plan(n);
    }
    Dice curiosity = dice.split();
    bazaar =
        new Bazaar(self, operator, seals, agenda, dice.split(), weather, pool, providers, auditor);
    pool.onStart(bazaar::poolStarted);
    bazaar.open();
    cashier = new Cashier(self, seals, agenda, dice.split(), weather, pool, auditor, addresses);
    customers.forEach(c -> cashier.knows(c.address()));
    bazaar.patrons().forEach(cashier::knows);
    if (cashier.everMoves()) {
      customers.forEach(Customer::mayLeave);
    }
    agenda.after(LOOK_EVERY_US, "look", 0, () -> look(curiosity));
    agenda.after(weather.stormUs(), "the storm ends", 0, this::calm);
  }

  /// Runs the world of this seed.
  ///
  /// @param verbose where every happening is printed, or null
  /// @throws Violation if a rule was broken; it names the seed
  static Verdict run(long seed, Seals seals, Sabotage sabotage, @Nullable Appendable verbose) {
    Simulation s = null;
    try {
      s = new Simulation(seed, seals, sabotage, verbose);
      return s.run();
    } catch (RuntimeException | AssertionError e) {
      throw broken(seed, s, e);
    }
  }

  private static Violation broken(long seed, @Nullable Simulation s, Throwable e) {
    StringBuilder text = new StringBuilder();
    text.append("seed ").append(seed);
    if (s != null) {
      text.append(" at ").append(s.agenda.nowUs()).append(" us");
    }
    text.append(": ").append(e instanceof Violation ? e.getMessage() : e.toString());
    text.append("\n  again: ./perseid sim --seed ").append(seed).append(" --verbose");
    if (s != null) {
      text.append("\n  ").append(s.weather).append("\n  before:");
      for (String line : s.diary.lastLines()) {
        text.append("\n  ").append(line);
      }
    }
    Violation v = new Violation(text.toString());
    v.initCause(e);
    return v;
  }

  private Verdict run() {
    while (!over && agenda.step()) {
      if (agenda.happened() > HAPPENINGS_LIMIT) {
        throw new Violation("more than " + HAPPENINGS_LIMIT + " happenings: " + hanging());
      }
    }
    pool.checkReplay();
    Pool end = pool.quiet();
    if (end != null) {
      cashier.checkTheEnd(end);
    }
    for (ProviderHost p : providers) {
      p.checkIdle();
    }
    return new Verdict(
        seed,
        agenda.happened(),
        auditor.events(),
        auditor.entries().size(),
        auditor.recordsOf(Outcome.LOST),
        auditor.recordsOf(Outcome.REFUSED),
        auditor.copies(),
        auditor.onGpus(),
        auditor.refusals(),
        auditor.jobsThatAre(Event.JobState.DONE),
        auditor.jobsThatAre(Event.JobState.FAILED),
        auditor.jobsThatAre(Event.JobState.CANCELLED),
        auditor.tasksDone(),
        auditor.judged(),
        auditor.refuted(),
        auditor.doubted(),
        auditor.replaced(),
        auditor.models().recorded(),
        auditor.models().paid(),
        auditor.purses().vouchers(),
        auditor.purses().epochs(),
        pool.restarts(),
        agenda.nowUs(),
        Math.max(0, overSinceUs - weather.stormUs()),
        diary.close());
  }

  private void calm() {
    disk.calm();
    net.calm();
    pool.calm();
    providers.forEach(ProviderHost::calm);
    bazaar.calm();
    cashier.calm();
    agenda.after(SETTLING_US, "all is settled", 0, auditor::settled);
  }

  /// Now and then somebody looks: asks why a job is not done, and whether everything is over.
  private void look(Dice curiosity) {
    boolean storm = agenda.nowUs() < weather.stormUs();
    Pool quiet = pool.quiet();
    if (quiet != null && curiosity.chance(2_000)) {
      for (JobId job : auditor.running()) {
        if (quiet.why(job, null, pool.wallUs()).sentence().isBlank()) {
          throw new Violation("no answer to why job " + job + " is not done");
        }
      }
    }
    providers.forEach(ProviderHost::checkStopped);
    boolean finished =
        !storm
            && quiet != null
            && auditor.unfinished().isEmpty()
            && customers.stream().allMatch(c -> c.unanswered() == 0)
            && bazaar.unanswered() == 0
            && cashier.isSettled(quiet);
    if (!finished) {
      overSinceUs = Long.MAX_VALUE;
      if (agenda.nowUs() > weather.stormUs() + CALM_LIMIT_US) {
        throw new Violation(
            "the storm ended " + CALM_LIMIT_US / 1_000_000 + " s ago: " + hanging());
      }
    } else if (overSinceUs == Long.MAX_VALUE) {
      overSinceUs = agenda.nowUs();
    } else if (agenda.nowUs() - overSinceUs > AFTERGLOW_US) {
      over = true;
    }
    agenda.after(LOOK_EVERY_US, "look", 0, () -> look(curiosity));
  }

  /// What has not ended, and why.
  private String hanging() {
    StringBuilder text = new StringBuilder(auditor.unfinished().orElse("all jobs are over"));
    Pool quiet = pool.quiet();
    if (quiet != null) {
      text.append("\n    ").append(cashier.hanging(quiet));
      for (JobId job : auditor.running()) {
        text.append("\n    why ")
            .append(job)
            .append(": ")
            .append(quiet.why(job, null, pool.wallUs()));
      }
    }
    for (ProviderHost p : providers) {
      text.append("\n    ").append(p.state());
    }
    text.append("\n    unanswered: ")
        .append(customers.stream().mapToInt(Customer::unanswered).sum())
        .append(", about models: ")
        .append(bazaar.unanswered());
    return text.toString();
  }

  private static Auditor.Notary notary(Seals seals) {
    return new Auditor.Notary() {
      @Override
      public Hash digest(ExecutionRecord record) {
        return seals.record(record);
      }

      @Override
      public Hash digest(Offer offer) {
        return seals.offer(offer);
      }

      @Override
      public Hash digest(Model model) {
        return seals.model(model);
      }

      @Override
      public Hash digest(ModelOffer offer) {
        return seals.modelOffer(offer);
      }

      @Override
      public Optional<Address> signer(Hash digest, String signature) {
        return seals.signer(digest, signature);
      }

      @Override
      public Optional<Address> signerOfBatch(
          Address forPool, List<Hash> digests, String signature) {
        return seals.signer(seals.batch(forPool, seals.root(digests), digests.size()), signature);
      }
    };
  }
}
