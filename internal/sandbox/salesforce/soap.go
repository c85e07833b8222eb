package salesforce

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
)

// lastSoapLogin is the newest API version with a SOAP login call.
const lastSoapLogin = 64

const soapPath = "/services/Soap/"

// soapCall is the part of an envelope that is read here.
type soapCall struct {
	Session string `xml:"Header>SessionHeader>sessionId"`
	Body    struct {
		Login  *soapLogin `xml:"login"`
		Logout *struct{}  `xml:"logout"`
	} `xml:"Body"`
}

type soapLogin struct {
	Username string `xml:"username"`
	Password string `xml:"password"`
}

// soap serves login, which older clients start with when they are given a user
// name and a password, and logout. Nothing else of SOAP is here.
func (s *Server) soap(c *call) *response {
	parts := strings.Split(strings.TrimPrefix(c.path, soapPath), "/")
	if len(parts) < 2 || c.method != http.MethodPost {
		return soapFault("UNKNOWN_EXCEPTION", "the SOAP endpoint takes POST /services/Soap/u/NN.0")
	}
	var in soapCall
	if err := xml.Unmarshal(c.body, &in); err != nil {
		return soapFault("UNKNOWN_EXCEPTION", "the envelope cannot be read: "+err.Error())
	}
	version, err := strconv.ParseFloat(parts[1], 64)
	switch {
	case err != nil || version < firstVersion || version > lastVersion:
		return soapFault("UNSUPPORTED_API_VERSION", "Invalid Api version specified on URL")
	case in.Body.Logout != nil && s.RevokeToken(in.Session):
		return soapAnswer(`<logoutResponse/>`)
	case in.Body.Logout != nil:
		return soapFault("INVALID_SESSION_ID", "INVALID_SESSION_ID: Invalid Session ID found in SessionHeader: Illegal Session")
	case in.Body.Login == nil:
		return soapFault("UNKNOWN_EXCEPTION", "the sandbox serves login and logout only of the SOAP API")
	case version > lastSoapLogin:
		return soapFault("UNSUPPORTED_API_VERSION", "SOAP API login() is not available in version "+parts[1]+"; use OAuth")
	}
	return s.soapLogin(c, *in.Body.Login, parts[0]+"/"+parts[1])
}

func (s *Server) soapLogin(c *call, in soapLogin, service string) *response {
	s.mu.Lock()
	user, known := s.users[strings.ToLower(strings.TrimSpace(in.Username))]
	s.mu.Unlock()
	if !known || user.Password == "" || user.Password != in.Password || user.Locked {
		s.counters.add("login.refused")
		return soapFault("INVALID_LOGIN", "INVALID_LOGIN: Invalid username, password, security token; or user locked out.")
	}
	return s.soapLoggedIn(c, user, service)
}

// soapLoggedIn answers all elements in the order of the WSDL: some clients, the
// vendor's Python sample among them, find them by position.
func (s *Server) soapLoggedIn(c *call, user User, service string) *response {
	return soapAnswer(`<loginResponse><result>` +
		`<metadataServerUrl>` + escape(c.base+soapPath+"m/"+service[2:]+"/"+s.org[:15]) + `</metadataServerUrl>` +
		`<passwordExpired>false</passwordExpired><sandbox>true</sandbox>` +
		`<serverUrl>` + escape(c.base+soapPath+service+"/"+s.org[:15]) + `</serverUrl>` +
		`<sessionId>` + escape(s.login(user.ID)) + `</sessionId><userId>` + user.ID + `</userId><userInfo>` +
		`<accessibilityMode>false</accessibilityMode><chatterExternal>false</chatterExternal>` +
		`<currencySymbol>¥</currencySymbol><orgAttachmentFileSizeLimit>5242880</orgAttachmentFileSizeLimit>` +
		`<orgDefaultCurrencyIsoCode>JPY</orgDefaultCurrencyIsoCode><orgDefaultCurrencyLocale>ja_JP</orgDefaultCurrencyLocale>` +
		`<orgDisallowHtmlAttachments>false</orgDisallowHtmlAttachments><orgHasPersonAccounts>false</orgHasPersonAccounts>` +
		`<organizationId>` + s.org + `</organizationId><organizationMultiCurrency>false</organizationMultiCurrency>` +
		`<organizationName>` + escape(s.options.OrgName) + `</organizationName><profileId/><roleId xsi:nil="true"/>` +
		`<sessionSecondsValid>` + strconv.Itoa(int(s.options.SessionTimeout.Seconds())) + `</sessionSecondsValid>` +
		`<userDefaultCurrencyIsoCode xsi:nil="true"/><userEmail>` + escape(user.Username) + `</userEmail>` +
		`<userFullName>` + escape(user.Username) + `</userFullName><userId>` + user.ID + `</userId>` +
		`<userLanguage>en_US</userLanguage><userLocale>en_US</userLocale><userName>` + escape(user.Username) + `</userName>` +
		`<userTimeZone>GMT</userTimeZone><userType>Standard</userType><userUiSkin>Theme3</userUiSkin>` +
		`</userInfo></result></loginResponse>`)
}

func soapAnswer(body string) *response {
	return &response{status: http.StatusOK, header: xmlHeader(), text: `<?xml version="1.0" encoding="UTF-8"?>` +
		`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com" ` +
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>` + body + `</soapenv:Body></soapenv:Envelope>`}
}

func soapFault(code, message string) *response {
	body := `<?xml version="1.0" encoding="UTF-8"?>` +
		`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:sf="urn:fault.partner.soap.sforce.com" ` +
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault>` +
		`<faultcode>sf:` + code + `</faultcode><faultstring>` + escape(message) + `</faultstring><detail>` +
		`<sf:LoginFault xsi:type="sf:LoginFault"><sf:exceptionCode>` + code + `</sf:exceptionCode>` +
		`<sf:exceptionMessage>` + escape(message) + `</sf:exceptionMessage></sf:LoginFault></detail>` +
		`</soapenv:Fault></soapenv:Body></soapenv:Envelope>`
	return &response{status: http.StatusInternalServerError, text: body, header: xmlHeader()}
}

func xmlHeader() map[string]string {
	return map[string]string{"Content-Type": "text/xml;charset=UTF-8"}
}

func escape(text string) string {
	var b bytes.Buffer
	// A buffer takes everything.
	_ = xml.EscapeText(&b, []byte(text))
	return b.String()
}
