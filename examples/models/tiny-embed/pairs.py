"""Pairs of sentences that mean the same, made from lists: what tiny-embed learns from. No outside text.

A meaning is an intent and its concepts: (intent 3, "car", "Oslo"). It can be said in each of the intent's forms, with any of
the words for a concept. The last form of each intent is never trained on, and neither are the meanings that are `kept_back`.

    python3 pairs.py        twenty pairs
"""
import random
import zlib

# Each concept with its words. What a word means is known only from this list and from where it stands.
CONCEPTS = {
    "person": [[n] for n in "Ana Ben Cleo Dan Eva Finn Gus Hana Ivo Jana Kai Lena Mia Noor Omar Pia".split()]
    + [["my mother", "my mum"], ["my father", "my dad"], ["the teacher", "our teacher"], ["the doctor", "the physician"],
       ["the boss", "my manager"], ["the neighbour", "the man next door"], ["the child", "the kid"]],
    "thing": [["car", "automobile"], ["bike", "bicycle"], ["sofa", "couch"], ["phone", "telephone"], ["laptop", "notebook computer"],
              ["picture", "photo"], ["film", "movie"], ["present", "gift"], ["coat", "jacket"], ["cup", "mug"], ["rug", "carpet"],
              ["lamp", "light"], ["book", "novel"], ["bag", "sack"], ["television", "TV"], ["fridge", "refrigerator"],
              ["ticket", "pass"], ["letter", "note"], ["ring"], ["guitar"], ["table"], ["clock"], ["umbrella"], ["key"]],
    "place": [[c] for c in "Oslo Paris Rome Madrid Cairo Lima Athens Vienna Warsaw Dublin Berlin Tokyo Lisbon Ottawa".split()]
    + [["the station", "the railway station"], ["the shop", "the store"], ["the airport"], ["the harbour", "the port"],
       ["the hospital", "the clinic"], ["the school"], ["the office", "work"], ["the forest", "the woods"], ["the beach", "the seaside"],
       ["the town centre", "downtown"]],
    "food": [["soup", "broth"], ["chips", "fries"], ["biscuits", "cookies"], ["sweets", "candy"], ["rice"], ["fish"], ["pasta", "noodles"],
             ["bread"], ["salad"], ["pancakes"], ["apple pie", "apple tart"], ["roast chicken", "baked chicken"]],
    "animal": [["dog", "puppy"], ["cat", "kitten"], ["horse", "pony"], ["rabbit", "bunny"], ["parrot"], ["goat"], ["duck"], ["hamster"]],
    "colour": [["red", "scarlet"], ["blue"], ["green"], ["black"], ["white"], ["yellow"], ["grey", "gray"], ["brown"], ["purple", "violet"]],
    "day": [[d] for d in "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()] + [["tomorrow", "the day after today"], ["next week", "in a week"], ["tonight", "this evening"]],
    "ailment": [["a headache", "a sore head"], ["a cold", "a runny nose"], ["a fever", "a high temperature"], ["a stomach ache", "a sore stomach"],
                ["a cough"], ["a broken arm"], ["a toothache", "a sore tooth"]],
    "skill": [["cook", "prepare meals"], ["swim"], ["drive"], ["sing"], ["paint"], ["write programs", "code"], ["dance"], ["speak German"], ["speak French"], ["play chess"]],
    "weather": [["rain"], ["snow"], ["sunshine", "sun"], ["storms", "thunder"], ["fog", "mist"], ["frost", "ice"]],
    "machine": [["server", "host"], ["printer"], ["router"], ["graphics card", "GPU"], ["processor", "CPU"], ["disk", "hard drive"], ["database"], ["website", "web page"]],
}

# Each intent's concepts and forms; the last form is for the evaluation.
INTENTS = [
    (["person", "thing"], ["{0} bought a {1}.", "{0} has purchased a {1}.", "A {1} was bought by {0}.", "{0} is the new owner of a {1}.", "{0} paid for a {1}."]),
    (["person", "thing"], ["{0} lost a {1}.", "{0} cannot find the {1}.", "The {1} of {0} is missing.", "{0} is looking for a lost {1}.", "{0} does not know where the {1} is."]),
    (["person", "thing", "person"], ["{0} gave a {1} to {2}.", "{2} got a {1} from {0}.", "{0} handed {2} a {1}.", "A {1} was given to {2} by {0}.", "{2} received a {1} from {0}."]),
    (["person", "thing", "person"], ["{0} stole a {1} from {2}.", "{2} was robbed of a {1} by {0}.", "The thief who took the {1} of {2} is {0}.", "{0} took a {1} away from {2}."]),
    (["person", "thing"], ["{0} wants to sell a {1}.", "{0} has a {1} for sale.", "A {1} is on offer from {0}.", "Who buys a {1} from {0}?", "{0} is selling a {1}."]),
    (["person", "thing"], ["{0} broke the {1}.", "The {1} was damaged by {0}.", "{0} has destroyed the {1}.", "It was {0} who broke the {1}.", "The {1} is broken because of {0}."]),
    (["person", "thing"], ["{0} repaired the {1}.", "{0} has fixed the {1}.", "The {1} works again thanks to {0}.", "The {1} was mended by {0}.", "{0} got the {1} to work again."]),
    (["thing", "colour"], ["I want a {1} {0}.", "I would like a {0} in {1}.", "Do you have a {1} {0}?", "I am looking for a {0} that is {1}.", "Show me a {0} of {1} colour."]),
    (["thing"], ["How much is the {0}?", "What does the {0} cost?", "What is the price of the {0}?", "How many euros for the {0}?", "How expensive is the {0}?"]),
    (["thing"], ["My {0} has not arrived.", "Where is the {0} that I ordered?", "I am still waiting for my {0}.", "The delivery of the {0} is late.", "When do I get the {0} I ordered?"]),
    (["thing"], ["I want my money back for the {0}.", "Please refund the {0}.", "How do I return the {0}?", "I would like to send the {0} back.", "I do not want to keep the {0}; give me a refund."]),
    (["person", "place"], ["{0} lives in {1}.", "The home of {0} is in {1}.", "{0} has a house in {1}.", "{0} is at home in {1}.", "You find the flat of {0} in {1}."]),
    (["person", "place", "day"], ["{0} travels to {1} {2}.", "{2} {0} will go to {1}.", "{0} is going to visit {1} {2}.", "The trip of {0} to {1} is {2}.", "{0} leaves for {1} {2}."]),
    (["person", "place"], ["{0} has come back from {1}.", "{0} returned from {1}.", "{0} is no longer in {1}.", "{0} is home again after {1}.", "The stay of {0} in {1} is over."]),
    (["place"], ["How do I get to {0}?", "What is the way to {0}?", "Show me the way to {0}.", "Which road leads to {0}?", "Can you give me directions to {0}?"]),
    (["place"], ["How far is {0}?", "What is the distance to {0}?", "How many kilometres is it to {0}?", "Is it a long way to {0}?", "How long is the road to {0}?"]),
    (["place", "day"], ["What will the weather be in {0} {1}?", "How is the weather in {0} {1}?", "Give me the forecast for {0} {1}.", "Will it be nice in {0} {1}?", "What does the forecast say about {0} {1}?"]),
    (["weather", "place", "day"], ["There will be {0} in {1} {2}.", "Expect {0} in {1} {2}.", "{2} {1} gets {0}.", "The forecast says {0} for {1} {2}.", "People in {1} will see {0} {2}."]),
    (["place", "day"], ["I need a room in {0} {1}.", "Book a hotel in {0} {1}.", "Is there a free room in {0} {1}?", "I want to sleep in {0} {1}.", "Reserve a bed for me in {0} {1}."]),
    (["food"], ["How do I cook {0}?", "Give me a recipe for {0}.", "What do I need to make {0}?", "How is {0} made?", "Tell me how to prepare {0}."]),
    (["person", "food"], ["{0} likes {1}.", "{0} loves to eat {1}.", "The favourite food of {0} is {1}.", "{0} is fond of {1}.", "Nothing tastes better to {0} than {1}."]),
    (["person", "food"], ["{0} hates {1}.", "{0} does not like {1}.", "{0} never eats {1}.", "{0} cannot stand {1}.", "{0} would not touch {1}."]),
    (["person", "food", "person"], ["{0} cooked {1} for {2}.", "{2} ate {1} that {0} had made.", "{0} made {1} and {2} ate it.", "{0} served {2} {1}.", "For {2} there was {1} made by {0}."]),
    (["person", "animal", "colour"], ["{0} has a {2} {1}.", "The {1} of {0} is {2}.", "{0} owns a {2} {1}.", "A {2} {1} belongs to {0}.", "{0} keeps a {2} {1}."]),
    (["animal", "person"], ["The {0} bit {1}.", "{1} was bitten by a {0}.", "{1} was hurt by the teeth of a {0}.", "A {0} has bitten {1}.", "{1} has a bite from a {0}."]),
    (["animal", "place"], ["A {0} ran away near {1}.", "I lost my {0} at {1}.", "Has anyone seen a {0} around {1}?", "My {0} disappeared close to {1}.", "A {0} is missing since {1}."]),
    (["person", "ailment"], ["{0} has {1}.", "{0} suffers from {1}.", "{0} is ill with {1}.", "{0} complains about {1}.", "What troubles {0} is {1}."]),
    (["ailment"], ["What helps against {0}?", "What can I do about {0}?", "How do I get rid of {0}?", "Is there a cure for {0}?", "Which medicine is good for {0}?"]),
    (["person", "day"], ["I have an appointment with {0} {1}.", "I am meeting {0} {1}.", "{0} and I will see each other {1}.", "My meeting with {0} is {1}.", "{1} I am going to talk with {0}."]),
    (["person", "day"], ["Cancel the meeting with {0} {1}.", "I cannot see {0} {1}.", "Tell {0} that I am not coming {1}.", "The appointment with {0} {1} is off.", "I will not be able to meet {0} {1}."]),
    (["person", "skill"], ["{0} can {1}.", "{0} knows how to {1}.", "{0} is able to {1}.", "{0} has learnt to {1}.", "To {1} is easy for {0}."]),
    (["person", "skill"], ["{0} wants to learn to {1}.", "{0} cannot {1} yet.", "{0} takes lessons to {1}.", "{0} is looking for somebody who teaches how to {1}.", "Who teaches {0} to {1}?"]),
    (["person", "person"], ["{0} is the brother of {1}.", "{1} has a brother, {0}.", "{0} and {1} have the same parents; he is the brother.", "The brother of {1} is {0}.", "{1} is a sibling of her brother {0}."]),
    (["person", "person"], ["{0} is taller than {1}.", "{1} is shorter than {0}.", "{1} is not as tall as {0}.", "Of the two, {0} is the tall one and {1} the short one.", "{0} is bigger than {1}."]),
    (["person", "person"], ["{0} married {1}.", "{0} is now the wife of {1}.", "{1} is now the husband of {0}.", "{1} took {0} as his wife.", "{0} has become the wife of {1}."]),
    (["person"], ["What is the phone number of {0}?", "How can I reach {0}?", "How do I call {0}?", "Give me the number of {0}.", "I want to telephone {0}; which number is it?"]),
    (["person"], ["{0} has a birthday today.", "{0} was born on this day.", "Today {0} gets a year older.", "It is the birthday of {0}.", "Congratulate {0} on the birthday."]),
    (["machine"], ["The {0} does not work.", "The {0} is down.", "My {0} has failed.", "There is a problem with the {0}.", "The {0} is broken and does not answer."]),
    (["machine"], ["The {0} is slow.", "My {0} takes too long.", "Why is the {0} not faster?", "The {0} needs ages for everything.", "I have to wait for the {0} all the time."]),
    (["machine"], ["How do I install the {0}?", "How is the {0} set up?", "Give me instructions to set up the {0}.", "What must I do to get the {0} running?", "I need help with the installation of the {0}."]),
    (["machine", "day"], ["Restart the {0} {1}.", "The {0} must be started again {1}.", "Please reboot the {0} {1}.", "Turn the {0} off and on {1}.", "{1} the {0} needs a restart."]),
    (["machine", "place"], ["We need another {0} in {1}.", "Buy one more {0} for {1}.", "One {0} is not enough in {1}.", "Order an extra {0} for {1}.", "{1} should get an additional {0}."]),
    ([], ["I forgot my password.", "How do I reset my password?", "I cannot log in any more; the password is wrong.", "Send me a new password.", "My password does not work."]),
    ([], ["How do I delete my account?", "I want to close my account.", "Remove my account, please.", "Please cancel my membership.", "I do not want an account any more."]),
    ([], ["When do you open?", "What are your opening hours?", "At what time can I come in?", "How long are you open?", "Are you open now?"]),
    ([], ["I want to talk to a person.", "Connect me with somebody who works there.", "Can I speak with a human?", "No machine, please; a real person.", "Let me talk with an employee."]),
]


def kept_back(meaning):
    """Whether a meaning is for the evaluation only: one in eight."""
    return bool(meaning[1:]) and zlib.crc32(repr(meaning).encode()) % 8 == 0


def meaning(r):
    """An intent's number and, for each of its places, the number of a concept; the persons of one meaning differ."""
    i = r.randrange(len(INTENTS))
    kinds, chosen = INTENTS[i][0], []
    for kind in kinds:
        n = r.randrange(len(CONCEPTS[kind]))
        while any(k == kind and c == n for k, c in zip(kinds, chosen)):
            n = r.randrange(len(CONCEPTS[kind]))
        chosen.append(n)
    return (i, *chosen)


def near(r, m):
    """Another meaning that is hard to tell from this one: one concept differs, or two of a kind have changed places."""
    kinds, chosen = INTENTS[m[0]][0], list(m[1:])
    twins = [(a, b) for a in range(len(kinds)) for b in range(a) if kinds[a] == kinds[b]]
    if twins and r.random() < 0.5:
        a, b = twins[0]
        chosen[a], chosen[b] = chosen[b], chosen[a]
    elif kinds:
        at = r.randrange(len(kinds))
        taken = [c for k, c in zip(kinds, chosen) if k == kinds[at]]
        chosen[at] = r.choice([n for n in range(len(CONCEPTS[kinds[at]])) if n not in taken])
    return (m[0], *chosen)


def say(r, m, form):
    kinds, forms = INTENTS[m[0]]
    words = [r.choice(CONCEPTS[kind][n]) for kind, n in zip(kinds, m[1:])]
    text = forms[form].format(*words)
    return text[0].upper() + text[1:]


def pair(r, m, unseen=False):
    """Two sentences of one meaning in different forms; `unseen`: the second in the form that is not trained on."""
    forms = len(INTENTS[m[0]][1])
    a, b = r.sample(range(forms - 1), 2)
    return say(r, m, a), say(r, m, forms - 1 if unseen else b)


def training(seed):
    """Meanings without end that are not kept back, in groups of two that are near each other."""
    r = random.Random(seed)
    while True:
        m = meaning(r)
        for each in (m, near(r, m)):
            if not kept_back(each):
                yield r, each


def evaluation(count, seed):
    """Distinct meanings that are kept back."""
    r, found = random.Random(seed), []
    while len(found) < count:
        m = meaning(r)
        if kept_back(m) and m not in found:
            found.append(m)
    return found


if __name__ == "__main__":
    source = training(1)
    for _ in range(20):
        r, m = next(source)
        print("\t".join(pair(r, m)))
