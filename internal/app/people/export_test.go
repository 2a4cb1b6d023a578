package people

// NameWords is what the index of names is made of, for tests.
const NameWords = nameWords
