package oneroster

// The severities. Only an error makes a package invalid.
const (
	SeverityError   = "error"
	SeverityWarning = "warning"
	SeverityInfo    = "info"
)

// CodeInfo is one entry of the published list of findings. A code is never
// reused for another meaning: scripts and manuals refer to it.
type CodeInfo struct {
	Code     string `json:"code"`
	Severity string `json:"severity"`
	Meaning  string `json:"meaning"`
	Next     string `json:"next"` // what the reader can do about it
}

// Codes returns the published list. The letter is the severity, the first digit
// the area: 1 package and manifest, 2 form of a file, 3 cells, 4 ids and
// references, 5 meaning.
func Codes() []CodeInfo {
	list := make([]CodeInfo, len(codes))
	for i, c := range codes {
		list[i] = CodeInfo{c[0], severityOf(c[0]), c[1], c[2]}
	}
	return list
}

func severityOf(code string) string {
	switch code[0] {
	case 'W':
		return SeverityWarning
	case 'I':
		return SeverityInfo
	}
	return SeverityError
}

// RepairInfo is one entry of the published list of repairs.
type RepairInfo struct {
	Key     string `json:"key"`
	Meaning string `json:"meaning"`
}

// The repairs of the lenient mode. There are no others; encodings are never
// guessed.
const (
	repairBool      = "bool-case"
	repairVersion   = "manifest-version"
	repairTrailing  = "trailing-blank-columns"
	repairListBlank = "list-blanks"
	repairAsterisk  = "manifest-asterisk"
	repairMac       = "mac-files"
	repairDateTime  = "datetime-utc"
)

// Repairs returns what Options.Lenient repairs; Report.Repairs counts by key.
func Repairs() []RepairInfo {
	return []RepairInfo{
		{repairBool, "TRUE and FALSE are read as true and false"},
		{repairVersion, "manifest.version 1 is read as 1.0"},
		{repairTrailing, "empty columns to the right of the last one are left out"},
		{repairListBlank, "blanks around the items of a list are left out"},
		{repairAsterisk, "file.<name>* in the manifest is read as file.<name>"},
		{repairMac, "__MACOSX and .DS_Store are passed over"},
		{repairDateTime, "a dateLastModified without milliseconds or with an offset is turned to UTC with milliseconds"},
	}
}

const (
	nextAgain  = "export the package again and send the whole file"
	nextSource = "correct the row in the source system and export again"
	nextExport = "correct the export"
	nextLook   = "look whether the source system means this"
)

// codes holds code, meaning and next step.
var codes = [][3]string{
	{"E101", "the package is not a readable zip archive", nextAgain},
	{"E102", "there is no manifest.csv: OneRoster 1.0, or not OneRoster at all", "export as OneRoster 1.1 or 1.2 CSV; 1.0 is not read"},
	{"E103", "too many entries in the package", "send only the OneRoster files, or raise the limit"},
	{"E104", "the package or one of its files is too large", "raise the limit if the size is right"},
	{"E105", "a file is compressed so much that it may be a zip bomb", "compress it again with an ordinary tool, or raise the limit"},
	{"E106", "an entry is a link or something else that is not a file", "put the file itself into the package"},
	{"E107", "an entry is encrypted", "make the zip without a password"},
	{"E108", "the name of an entry points out of the package", "make the zip again from the files themselves"},
	{"E109", "two entries have one name, or names that differ only in case", "leave one of them"},
	{"E110", "there is a folder in the package", "put the files at the root of the zip"},
	{"E111", "the package has a file that OneRoster does not know", "leave it out, or write its name exactly as OneRoster does"},
	{"E112", "the manifest lists a file that is not in the package", nextAgain},
	{"E113", "the package has a file that the manifest does not announce", "list it in the manifest as bulk or delta, or leave it out"},
	{"E114", "a file is damaged: its size or checksum is not the one announced", nextAgain},
	{"E115", "a file is compressed with a method other than deflate", "make the zip with deflate"},
	{"E116", "entries of the zip overlap", "make the zip again with an ordinary tool"},
	{"E121", "the header of manifest.csv is not propertyName,value", nextExport},
	{"E122", "the manifest lacks a row", nextExport},
	{"E123", "the manifest has a property twice", nextExport},
	{"E124", "the manifest has a property that its version does not know", nextExport},
	{"E125", "the manifest has a value that is not allowed", nextExport},
	{"E126", "the version of OneRoster is not one that can be read", "export as OneRoster 1.1 or 1.2 CSV"},

	{"E201", "the file is not UTF-8", "save it as UTF-8; the encoding is never guessed"},
	{"E202", "the quoting is broken", nextExport},
	{"E203", "a field has a line break in it", nextSource},
	{"E204", "the row has another number of fields than the header", nextExport},
	{"E205", "the file ends in the middle of a row", nextAgain},
	{"E206", "the file is empty", "leave it out and say absent in the manifest"},
	{"E207", "the file has a header and no rows", "leave it out and say absent in the manifest; no rows never means delete all"},
	{"E208", "the header has a column that the file does not have in OneRoster", nextExport},
	{"E209", "the header lacks a column", nextExport},
	{"E210", "the columns are not in the order of OneRoster", nextExport},
	{"E211", "the name of a column is written in the wrong case", nextExport},
	{"E212", "the header has a name twice", nextExport},
	{"E213", "a metadata column has no name or is not to the right of all others", nextExport},
	{"E214", "there are empty columns to the right of the last one", nextExport},
	{"E215", "a carriage return stands alone", "end lines with CR LF or LF"},
	{"E216", "a field has a control character in it", nextSource},
	{"E217", "a field or row is longer than is read", nextSource},
	{"E218", "the fields are not separated by commas", nextExport},
	{"E219", "the first line is not the header of the file", nextExport},
	{"W201", "a field has the character U+FFFD: a letter was lost before the export", nextSource},

	{"E301", "a required value is missing", nextSource},
	{"E302", "not an identifier: up to 255 of A-Z a-z 0-9 . - _ / @", nextSource},
	{"E303", "not a date YYYY-MM-DD of the calendar", nextSource},
	{"E304", "not a time YYYY-MM-DDTHH:MM:SS.sssZ", nextExport},
	{"E305", "not a year YYYY", nextSource},
	{"E306", "not true or false", nextExport},
	{"E307", "not a whole number", nextSource},
	{"E308", "not a number", nextSource},
	{"E309", "not a word of the list", nextExport},
	{"E310", "a list has blanks around an item", nextExport},
	{"E311", "a list has an empty item", nextExport},
	{"E312", "not a list of {left:right}", nextExport},
	{"E313", "subjects and subjectCodes are not of one length", nextSource},
	{"E314", "a bulk file has a status", "leave status blank in bulk, or send the file as delta"},
	{"E315", "a bulk file has a dateLastModified", "leave dateLastModified blank in bulk, or send the file as delta"},
	{"E316", "a delta row has no right status", "write active or tobedeleted"},
	{"E317", "a delta row has no dateLastModified", nextExport},
	{"E318", "a Finnish personal identity code that is wrong", nextSource},
	{"E319", "the learning objective of the source case is not a UUID URN", nextExport},
	{"W301", "an oppijanumero with a wrong check digit", nextSource},
	{"W302", "a sourcedId that looks like a personal identity code", "use an identifier that says nothing of the person"},

	{"E401", "two rows of the file have one sourcedId", nextSource},
	{"E402", "the row refers to something that does not exist", "send the missing row, or correct the reference"},
	{"E403", "the rows of a bulk file refer to a file that is not in the package", "send both files"},
	{"E404", "the organisation referred to is not a school", nextSource},
	{"E405", "the session referred to is not a schoolYear", nextSource},
	{"E406", "the sourcedId made for a 1.1 role is too long", "use shorter sourcedIds for users and orgs"},
	{"W401", "a row to be deleted refers to something that does not exist", nextLook},
	{"W402", "an active row refers to one that this package deletes", nextLook},
	{"W403", "an active row refers to one that was deleted earlier", nextLook},
	{"W404", "rows of a delta refer to rows that are not in the package, which cannot be checked offline", "plan the package; that checks it against the roster"},

	{"E501", "an organisation is its own ancestor", nextSource},
	{"E502", "a session is its own ancestor", nextSource},
	{"E503", "a user has two primary roles in one organisation", nextSource},
	{"E504", "the primary organisation of a user is one where the user has no role", nextSource},
	{"E505", "a role has the profile of another user", nextSource},
	{"W501", "a session does not end after it starts", nextSource},
	{"W502", "the school of the enrollment is not that of the class", nextSource},
	{"W503", "the enrollment lies outside the terms of the class", nextSource},
	{"W504", "a user is in a class twice in one role", nextSource},
	{"W505", "two active users have one username", nextSource},
	{"W506", "a list has an item twice", nextSource},
	{"W507", "primary is set on somebody who is not a teacher", nextSource},
	{"W508", "a class has two primary teachers at one time", nextSource},
	{"W509", "the end is not after the beginning", nextSource},
	{"W510", "the schoolYear is not the year in which the session ends", nextSource},
	{"W511", "a user is the agent of himself or herself", nextSource},
	{"I501", "one person comes as several users, one for each role, as 1.1 does", "nothing; the users share a username"},
}

var codeIndex = func() map[string]int {
	m := make(map[string]int, len(codes))
	for i, c := range codes {
		m[c[0]] = i
	}
	return m
}()
