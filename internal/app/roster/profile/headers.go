package profile

import (
	"regexp"
	"strings"
)

// headerNames are the names that exports give to columns, in Finnish, Swedish
// and English.
var headerNames = []struct{ field, names string }{
	{"familyName", "sukunimi|oppilaan sukunimi|efternamn|släktnamn|elevens efternamn|last name|surname|family name"},
	{"givenNames", "etunimet|kaikki etunimet|oppilaan etunimet|etunimi|förnamn|alla förnamn|elevens förnamn|given names|first names|first name|given name"},
	{"callName", "kutsumanimi|puhuttelunimi|tilltalsnamn|preferred name|call name"},
	{"name", "nimi|koko nimi|oppilas|oppilaan nimi|opettaja|namn|elev|elevens namn|lärare|name|student name|teacher"},
	{"hetu", "hetu|henkilötunnus|oppilaan hetu|oppilaan henkilötunnus|personbeteckning|elevens personbeteckning|personal identity code|ssn"},
	{"oppijanumero", "oppijanumero|oppijanumero (oid)|oid|oppija oid|henkilö oid|studerandenummer|learner number|person oid"},
	{"id", "oppilasnumero|oppilasnro|oppilas id|oppilastunnus|opiskelijanumero|henkilönumero|henkilönro|tunniste|id|elevnummer|elev id|personalnummer|anställningsnummer|student id|student number|employee id"},
	{"class", "luokka|luokkatunnus|kotiluokka|perusryhmä|ryhmä|klass|hemklass|basgrupp|class|homeroom"},
	{"grade", "vuosiluokka|luokka-aste|luokkaaste|vuosikurssi|årskurs|grade|year group"},
	{"school", "koulu|koulun nimi|oppilaitos|oppilaitoksen nimi|yksikkö|toimipaikka|skola|skolans namn|läroanstalt|enhet|school|school name"},
	{"schoolCode", "koulukoodi|koulunumero|oppilaitosnumero|oppilaitoskoodi|oppilaitostunnus|skolkod|skolnummer|läroanstaltsnummer|läroanstaltskod|school code"},
	{"birthDate", "syntymäaika|syntymäpäivä|synt. aika|födelsetid|födelsedatum|birth date|date of birth"},
	{"sex", "sukupuoli|kön|sex|gender"},
	{"homeLanguage", "äidinkieli|kotikieli|modersmål|hemspråk|mother tongue|home language"},
	{"email", "sähköposti|sähköpostiosoite|s-posti|oppilaan sähköposti|e-post|e-postadress|email|e-mail|email address"},
	{"phone", "puhelin|puhelinnumero|puh|matkapuhelin|gsm|telefon|telefonnummer|mobiltelefon|phone|phone number|mobile"},
	{"username", "käyttäjätunnus|käyttäjänimi|tunnus|användarnamn|username|login"},
	{"turvakielto", "turvakielto|spärrmarkering|protected identity"},
	{"role", "rooli|tehtävä|käyttäjärooli|roll|uppgift|role"},
	{"title", "nimike|tehtävänimike|virkanimike|titel|tjänstebeteckning|title|job title"},
	{"oid", "organisaatio-oid|organisaation oid|koulun oid|organisationens oid|organisation oid"},
	{"language", "opetuskieli|undervisningsspråk|language of instruction"},
}

// guardianNames are what follows "Huoltaja 1" in a header.
var guardianNames = []struct{ field, names string }{
	{"name", "|nimi|namn|name"}, {"familyName", "sukunimi|efternamn|last name|family name"},
	{"givenNames", "etunimi|etunimet|förnamn|first name|given names"},
	{"hetu", "hetu|henkilötunnus|personbeteckning|ssn"}, {"id", "id|tunniste"},
	{"email", "sähköposti|sähköpostiosoite|s-posti|e-post|e-postadress|email|e-mail"},
	{"phone", "puhelin|puhelinnumero|matkapuhelin|puh|gsm|telefon|mobiltelefon|phone"},
	{"homeLanguage", "äidinkieli|kieli|asiointikieli|modersmål|språk|language"},
	{"turvakielto", "turvakielto|spärrmarkering"},
}

var (
	headerFields   = foldedNames(headerNames)
	guardianFolded = foldedNames(guardianNames)

	guardianHeader = regexp.MustCompile(`^(?:huoltaja|vardnadshavare|guardian)([1-9]?)(n|ns|s)?([1-9]?)([a-z]*)([1-9]?)$`)
)

func foldedNames(from []struct{ field, names string }) map[string]string {
	m := map[string]string{}
	for _, x := range from {
		for name := range strings.SplitSeq(x.names, "|") {
			m[foldHeader(name)] = x.field
		}
	}
	return m
}

// foldHeader leaves small letters and digits.
func foldHeader(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, folds.Replace(strings.ToLower(s)))
}

// fieldOfHeader guesses the field of a column from its name.
func fieldOfHeader(header string) (string, bool) {
	const longest = 200 // bytes; no name of a column is, and YAML has its limits for keys
	folded := foldHeader(header)
	if len(header) > longest {
		return "", false
	}
	if f, ok := headerFields[folded]; ok {
		return f, true
	}
	m := guardianHeader.FindStringSubmatch(folded)
	if m == nil {
		return "", false
	}
	n := firstOf(m[1], m[3], m[5], "1")
	// "huoltajan nimi" folds to huoltajannimi; the n belongs to either word.
	for _, rest := range []string{m[4], m[2] + m[4]} {
		if f, ok := guardianFolded[rest]; ok {
			return "guardian" + n + "." + f, true
		}
	}
	return "", false
}
